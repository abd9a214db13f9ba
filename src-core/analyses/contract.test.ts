import { expect, test } from 'vitest';
import { findAnalysis, parseParams } from './registry.ts';

/**
 * What recipes and scripts rely on: parameters with their defaults, and keys of values. More may
 * come; none of these may go or change.
 */
const contract: Record<string, [params: Record<string, unknown>, values: string]> = {
  cka: [
    {
      kernel: 'linear',
      bandwidth: 0.5,
      estimator: 'debiased',
      batch: 0,
      permutations: 0,
      bootstrap: 0,
      seed: 0,
    },
    'cka',
  ],
  cca: [
    { variance: 1, tolerance: 1e-10, permutations: 0, bootstrap: 0 },
    'meanRho r2 pwcca rho ranks',
  ],
  procrustes: [{ permutations: 0, bootstrap: 0 }, 'distance normalized angular'],
  shape: [{ alpha: 1, bootstrap: 0 }, 'angular'],
  'stochastic-shape': [{ alpha: 1, restarts: 4 }, 'distance'],
  rsa: [
    { rdm: 'correlation', compare: 'spearman', permutations: 0, bootstrap: 0 },
    'similarity noiseCeiling',
  ],
  trsa: [
    {
      rdm: 'euclidean',
      lower: 0.2,
      upper: 0.8,
      scale: 'raw',
      geodesic: false,
      compare: 'pearson',
      permutations: 0,
      bootstrap: 0,
    },
    'similarity',
  ],
  'mutual-knn': [
    { k: 10, metric: 'cosine', clip: 0, permutations: 0, bootstrap: 0 },
    'overlap chance',
  ],
  cknna: [{ k: 10, permutations: 0 }, 'cknna'],
  'distance-correlation': [{ estimator: 'debiased', permutations: 0, bootstrap: 0 }, 'dcor'],
  'information-imbalance': [{ bootstrap: 0 }, 'aToB bToA'],
  relative: [{ anchors: 300, permutations: 0, seed: 0 }, 'cosine jaccard mrr'],
  stitching: [{ map: 'ridge', holdout: 0.2, permutations: 0 }, 'r2 top1 mrr'],
  'neuron-match': [
    { method: 'bipartite', signed: true, permutations: 0 },
    'maxCorr matched excess universalShare',
  ],
  rebasin: [{ data: 'weights' }, 'permutations barrier barrierUnaligned'],
  ricci: [
    { k: 10, alpha: 0.5, flow: 0, permutations: 0 },
    'meanCurvature nodeCurvature similarity',
  ],
  compatibility: [{}, 'matrix ac am'],
  outside: [
    { permutations: 0, bootstrap: 0 },
    'similarity encodingR2 tripletAccuracy noiseCeiling',
  ],
  'intrinsic-dim': [
    { estimator: 'twonn', discard: 0.1, k: 20, combine: 'harmonic', rule: 'fo' },
    'dimension perPoint dropped scales dimensions',
  ],
  spectrum: [
    { center: true, window: '' },
    'eigenvalues participationRatio effectiveRank rankMe stableRank vonNeumann alpha alphaR2',
  ],
  isotropy: [
    { outlierFactor: 5, massiveAbs: 100, massiveRatio: 1000 },
    'anisotropy outlierDims massive channelStd',
  ],
  entropy: [{ alpha: 1, scope: 'dataset', normalize: 'none' }, 'entropy effectiveRank'],
  curvature: [{}, 'degrees skipped'],
  invariance: [{}, 'infonce lidar dime'],
  persistence: [
    { input: 'points', maxDim: 1, threshold: 'auto', field: 2, landmarks: 0 },
    'diagrams threshold errorBound',
  ],
  hyperbolicity: [{ samples: 1500 }, 'delta deltaRelative'],
  'manifold-capacity': [{}, 'capacity radius dimension mmcr'],
  projection: [{ method: 'pca', components: 2 }, 'coordinates explained'],
  truncation: [{ prefixes: '' }, 'prefixes accuracy overlap pca random'],
  'feature-variance': [{}, 'share probe'],
  'precision-recall': [{ k: 5 }, 'precision recall density coverage'],
  'neural-collapse': [
    { W: '', b: '', target: 'simplex' },
    'nc1 nc2.normCv nc2.cosStd nc2.angle nc3 nc4 cdnv gnc2.mean gnc2.var unc3 etfError vci',
  ],
  neco: [{ dims: 0 }, 'auroc fpr95'],
  'rank-collapse': [{}, 'residual entropy codingRate'],
  attention: [{}, 'entropy sink rank dormant'],
  'length-collapse': [{ bins: 4 }, 'anisotropy centroidDistance'],
  'posterior-collapse': [{}, 'activeUnits kl'],
};

test.each(Object.entries(contract))('%s', (id, [defaults, keys]) => {
  const definition = findAnalysis(id);
  expect(parseParams(definition, {})).toMatchObject(defaults);
  expect(Object.keys(definition.values)).toEqual(expect.arrayContaining(keys.split(' ')));
});
