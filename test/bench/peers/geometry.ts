// Intrinsic dimension, and precision and recall, against Python. Run: node test/bench/peers/geometry.ts PYTHON
import { compareWithPeers, dataFolder, gaussians, writeNpy } from './harness.ts';

const [folder, remove] = await dataFolder();
const [n, d, inner] = [10_000, 768, 12];

/** Twelve coordinates spread over all units, with a little noise and an offset. */
function curvedSet(seed: number): Float32Array {
  const coordinates = gaussians(n * inner, seed);
  const directions = gaussians(inner * d, 2);
  const rows = gaussians(n * d, seed + 100);
  for (let i = 0, at = 0; i < n; i++) {
    for (let j = 0; j < d; j++, at++) {
      let value = 0.05 * rows[at]! + 0.5;
      for (let c = 0; c < inner; c++) value += coordinates[i * inner + c]! * directions[c * d + j]!;
      rows[at] = value;
    }
  }
  return rows;
}

try {
  const sides = [await writeNpy(folder, 'x', [n, d], curvedSet(1))];
  const sets = [...sides, await writeNpy(folder, 'y', [n, d], curvedSet(3))];
  await compareWithPeers(
    [
      {
        title: 'TwoNN, 10,000 × 768',
        ours: { run: 'intrinsic-dim', sides },
        peers: {
          'scikit-learn': { run: 'scikit_learn', sides },
          DADApy: { run: 'dadapy', sides },
          'scikit-dimension': { run: 'scikit_dimension', sides },
          NumPy: { run: 'numpy_blocks', sides },
        },
      },
      {
        title: 'precision and recall of two sets, 10,000 × 768 each, k = 5',
        ours: { run: 'precision-recall', sides: sets },
        peers: { prdc: { run: 'prdc', sides: sets, params: { k: 5 } } },
        rounds: 3,
      },
    ],
    'geometry.py',
  );
} finally {
  await remove();
}
