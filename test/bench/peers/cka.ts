// Centered kernel alignment against NumPy. Run: node test/bench/peers/cka.ts PYTHON
import { compareWithPeers, dataFolder, gaussians, writeNpy, type Case } from './harness.ts';

const [folder, remove] = await dataFolder();

/** A layer that shares half of its variance with the others, units of unequal variance, an offset. */
async function layer(name: string, n: number, d: number, shared: Float32Array, seed: number) {
  const own = gaussians(n * d, seed);
  const width = shared.length / n;
  for (let row = 0, at = 0; row < n; row++) {
    for (let unit = 0; unit < d; unit++, at++) {
      own[at] = (own[at]! + shared[row * width + (unit % width)]!) / Math.sqrt(1 + unit / 50) + 0.5;
    }
  }
  return writeNpy(folder, name, [n, d], own);
}

const model = (name: string, n: number, d: number, shared: Float32Array, seed: number) =>
  Promise.all(
    Array.from({ length: 13 }, (_, at) => layer(`${name}${at}`, n, d, shared, seed + at)),
  );

try {
  const cases: Case[] = [];
  {
    const shared = gaussians(10_000 * 64, 1);
    const sides = [
      await layer('a', 10_000, 1024, shared, 2),
      await layer('b', 10_000, 768, shared, 3),
    ];
    cases.push({
      title: 'linear CKA, debiased, 10,000 × 1,024 and 768',
      ours: { run: 'cka', sides },
      peers: {
        'NumPy, feature form': { run: 'feature_form', sides },
        'NumPy, Gram matrices': { run: 'gram_form', sides },
      },
    });
  }
  {
    const shared = gaussians(1000 * 64, 4);
    const sides = [await layer('c', 1000, 768, shared, 5), await layer('d', 1000, 768, shared, 6)];
    cases.push({
      title: 'null of 1,000 permutations, n = 1,000',
      ours: { run: 'cka', sides, params: { permutations: 1000 } },
      peers: { NumPy: { run: 'permutation_null', sides, params: { permutations: 1000 } } },
    });
  }
  {
    const shared = gaussians(5000 * 64, 7);
    const sides = [
      await model('e', 5000, 768, shared, 10),
      await model('f', 5000, 768, shared, 30),
    ];
    cases.push({
      title: 'all pairs of 2 × 13 layers, 5,000 × 768',
      rounds: 3,
      ours: { run: 'cka', sides },
      peers: {
        'NumPy, one Gram matrix a layer': { run: 'all_pairs', sides },
        'NumPy, pair by pair': { run: 'pair_by_pair', sides },
      },
    });
  }
  await compareWithPeers(cases, 'cka.py');
} finally {
  await remove();
}
