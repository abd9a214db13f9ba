// Intrinsic dimension against Python. Run: node test/bench/peers/geometry.ts PYTHON
import { compareWithPeers, dataFolder, gaussians, writeNpy } from './harness.ts';

const [folder, remove] = await dataFolder();
const [n, d, inner] = [10_000, 768, 12];

/** Twelve coordinates spread over all units, with a little noise and an offset. */
function curvedSet(): Float32Array {
  const coordinates = gaussians(n * inner, 1);
  const directions = gaussians(inner * d, 2);
  const rows = gaussians(n * d, 3);
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
  const side = await writeNpy(folder, 'x', [n, d], curvedSet());
  const sides = [side];
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
    ],
    'geometry.py',
  );
} finally {
  await remove();
}
