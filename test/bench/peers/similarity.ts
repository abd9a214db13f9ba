// Measures of two representations against NumPy, SciPy, scikit-learn and DADApy.
// Run: node test/bench/peers/similarity.ts PYTHON
import { compareWithPeers, dataFolder, gaussians, writeNpy, type Case } from './harness.ts';

const [folder, remove] = await dataFolder();

/** Two layers of d units that share much of their variance. */
async function twoLayers(name: string, n: number, d: number, seed: number) {
  const shared = gaussians(n * d, seed);
  const sides: string[] = [];
  for (const at of [1, 2]) {
    const own = gaussians(n * d, seed + at);
    for (let row = 0, i = 0; row < n; row++) {
      for (let unit = 0; unit < d; unit++, i++) {
        own[i] = (own[i]! + 2 * shared[i]!) / Math.sqrt(1 + unit / 20) + 0.1;
      }
    }
    sides.push(await writeNpy(folder, `${name}${at}`, [n, d], own));
  }
  return sides;
}

try {
  const cases: Case[] = [];
  {
    const sides = await twoLayers('knn', 10_000, 768, 1);
    cases.push({
      title: 'mutual-knn, k = 10, 10,000 × 768',
      rounds: 3,
      ours: { run: 'mutual-knn', sides },
      peers: {
        'NumPy, partition': { run: 'mutual_numpy', sides, params: { k: 10 } },
        'scikit-learn NearestNeighbors': { run: 'mutual_sklearn', sides, params: { k: 10 } },
      },
    });
  }
  {
    const sides = await twoLayers('shape', 5000, 768, 4);
    cases.push(
      {
        title: 'procrustes, 5,000 × 768',
        rounds: 3,
        ours: { run: 'procrustes', sides },
        peers: {
          'NumPy, nuclear norm': { run: 'angle_numpy', sides },
          'SciPy orthogonal_procrustes': { run: 'angle_scipy', sides },
        },
      },
      {
        title: 'cca, 5,000 × 768',
        rounds: 3,
        ours: { run: 'cca', sides },
        peers: {
          'NumPy, SVD': { run: 'cca_numpy', sides },
          'NumPy, QR': { run: 'cca_qr', sides },
        },
      },
    );
  }
  {
    const sides = await twoLayers('distances', 4000, 256, 7);
    cases.push(
      {
        title: 'distance-correlation, biased, 4,000 × 256',
        rounds: 3,
        ours: { run: 'distance-correlation', sides, params: { estimator: 'biased' } },
        peers: { 'SciPy cdist': { run: 'dcor_scipy', sides } },
      },
      {
        title: 'information-imbalance, 4,000 × 256',
        rounds: 3,
        ours: { run: 'information-imbalance', sides },
        peers: { DADApy: { run: 'imbalance_dadapy', sides } },
      },
    );
  }
  await compareWithPeers(cases, 'similarity.py');
} finally {
  await remove();
}
