// Persistent homology against Ripser and GUDHI. Run: node test/bench/peers/topology.ts PYTHON
import { Random } from '../../../src-core/analyses/random.ts';
import { compareWithPeers, dataFolder, gaussians, writeNpy, type Case } from './harness.ts';

const [folder, remove] = await dataFolder();

/** Points on the unit circle with noise of 0.1 in both coordinates. */
function noisyCircle(n: number, seed: number): Float32Array {
  const random = new Random(seed);
  const rows = new Float32Array(2 * n);
  for (let at = 0; at < 2 * n; at += 2) {
    const angle = 2 * Math.PI * random.uniform();
    rows[at] = Math.cos(angle) + 0.1 * random.gaussian();
    rows[at + 1] = Math.sin(angle) + 0.1 * random.gaussian();
  }
  return rows;
}

/** Points on the unit sphere. */
function sphere(n: number, seed: number): Float32Array {
  const rows = gaussians(3 * n, seed);
  for (let at = 0; at < 3 * n; at += 3) {
    const length = Math.hypot(rows[at]!, rows[at + 1]!, rows[at + 2]!);
    for (let j = at; j < at + 3; j++) rows[j]! /= length;
  }
  return rows;
}

try {
  const circle = [await writeNpy(folder, 'circle', [1000, 2], noisyCircle(1000, 1))];
  const gaussian = [await writeNpy(folder, 'gaussian', [2000, 50], gaussians(2000 * 50, 2))];
  const ball = [await writeNpy(folder, 'sphere', [200, 3], sphere(200, 3))];
  const cases: Case[] = [
    {
      title: 'H1 of a noisy circle, 1,000 points',
      ours: { run: 'persistence', sides: circle },
      peers: {
        Ripser: { run: 'by_ripser', sides: circle },
        'GUDHI, edges collapsed': { run: 'by_gudhi_collapsed', sides: circle },
        'GUDHI, RipsPersistence': { run: 'by_gudhi', sides: circle },
      },
    },
    {
      title: 'H1 of 2,000 × 50 Gaussian',
      ours: { run: 'persistence', sides: gaussian },
      // GUDHI's complex of it, collapsed or not, needs more memory than a machine of 24 GB has.
      peers: {
        Ripser: { run: 'by_ripser', sides: gaussian },
        'GUDHI, RipsPersistence': { run: 'by_gudhi', sides: gaussian },
      },
    },
    {
      title: 'H2 of 200 points of a sphere',
      ours: { run: 'persistence', sides: ball, params: { maxDim: 2 } },
      peers: {
        Ripser: { run: 'by_ripser', sides: ball, params: { max_dim: 2 } },
        'GUDHI, RipsPersistence': { run: 'by_gudhi', sides: ball, params: { max_dim: 2 } },
      },
    },
  ];
  await compareWithPeers(cases, 'topology.py');
} finally {
  await remove();
}
