// Representational similarity against SciPy and rsatoolbox. Run: node test/bench/peers/rsa.ts PYTHON
import { compareWithPeers, dataFolder, gaussians, writeNpy, type Case } from './harness.ts';

const [folder, remove] = await dataFolder();

/** Rows that share half of their variance with the others. */
async function layer(name: string, n: number, d: number, shared: Float32Array, seed: number) {
  const own = gaussians(n * d, seed);
  const width = shared.length / n;
  for (let row = 0, at = 0; row < n; row++) {
    for (let unit = 0; unit < d; unit++, at++) own[at]! += shared[row * width + (unit % width)]!;
  }
  return writeNpy(folder, name, [n, d], own);
}

const model = (name: string, n: number, d: number, shared: Float32Array, seed: number) =>
  Promise.all(Array.from({ length: 6 }, (_, at) => layer(`${name}${at}`, n, d, shared, seed + at)));

try {
  const cases: Case[] = [];
  {
    const shared = gaussians(2000 * 64, 1);
    const sides = [await layer('a', 2000, 768, shared, 2), await layer('b', 2000, 768, shared, 3)];
    cases.push({
      title: 'correlation distance, Spearman, 2,000 × 768',
      ours: { run: 'rsa', sides },
      peers: {
        SciPy: { run: 'scipy', sides },
        'NumPy product, SciPy ranks': { run: 'numpy', sides },
        rsatoolbox: { run: 'rsatoolbox', sides },
      },
    });
  }
  {
    const shared = gaussians(1000 * 64, 4);
    const sides = [await layer('c', 1000, 768, shared, 5), await layer('d', 1000, 768, shared, 6)];
    cases.push({
      title: 'null of 200 permutations, n = 1,000',
      ours: { run: 'rsa', sides, params: { permutations: 200 } },
      peers: { 'NumPy, ranks once': { run: 'mantel', sides, params: { permutations: 200 } } },
    });
  }
  {
    const shared = gaussians(1000 * 64, 7);
    const sides = [
      await model('e', 1000, 768, shared, 10),
      await model('f', 1000, 768, shared, 30),
    ];
    cases.push({
      title: 'all pairs of 2 × 6 layers, 1,000 × 768',
      ours: { run: 'rsa', sides },
      peers: { 'NumPy, ranks once': { run: 'all_pairs', sides } },
    });
  }
  await compareWithPeers(cases, 'rsa.py');
} finally {
  await remove();
}
