// Results as the analyses give them, with numbers made by formula, for tests and screenshots.
import type { ModelOutline } from '@repscope/core/models/model.ts';
import type { WebviewState } from '@repscope/core/protocol/webview.ts';
import type { Result, RunSummary, View } from '@repscope/core/results/schema.ts';

type ViewOf<K extends View['kind']> = Extract<View, { kind: K }>;

export const layers = [
  'embeddings',
  ...[0, 1, 2, 3, 4, 5].map((index) => `encoder.layer.${index}.output`),
];
const manyLayers = Array.from({ length: 100 }, (_, index) => `model.layers.${index}.resid_post`);
const hash = '9f2c4be1d07a63584c1f0e9ab27d35c86e41f7902b8da5136c0fe7d94a3b5218';

const between = (low: number, high: number, share: number): number => low + (high - low) * share;

/** Similarity that falls with depth between two layers; 1 on the diagonal. */
function similarities(names: readonly string[], decay: number): number[][] {
  return names.map((_, row) =>
    names.map((__, column) => {
      const distance = Math.abs(row - column) / names.length;
      const ripple = 0.04 * Math.sin(row * 1.7 + column * 1.7) * Math.min(1, distance * 8);
      return row === column ? 1 : Math.max(0, Math.exp(-decay * distance) + ripple - 0.02);
    }),
  );
}

function summary(id: string, result: Result, headline: string): RunSummary {
  return {
    id,
    created: '2026-11-20T09:30:00.000Z',
    analysis: result.analysis,
    uris: [...new Set(result.inputs.map(({ uri }) => uri))],
    headline,
    warnings: result.warnings.length,
    elapsedMs: result.elapsedMs,
    device: result.device,
  };
}

function base(analysis: string, names: readonly string[], uri: string): Result {
  return {
    analysis,
    version: '0.1.0',
    params: {},
    inputs: names.map((layer) => ({
      uri,
      layer,
      shape: [256, 384] as [number, number],
      dtype: 'float32',
      sha256: hash,
    })),
    probe: {
      spec: 'default:text',
      description: '256 short English sentences on 8 topics',
      sha256: hash,
      pool: 'mean',
    },
    device: 'cpu',
    elapsedMs: 1840,
    n: 256,
    d: 384,
    estimator: '',
    preprocessing: 'columns centred',
    values: {},
    warnings: [],
    views: [],
  };
}

const minilm = 'models/all-MiniLM-L6-v2';

/** A 7 × 7 layered CKA with null and interval for each pair. */
function cka(): Result {
  const z = similarities(layers, 1.6);
  const matrix = (change: (value: number) => number) => z.map((row) => row.map(change));
  return {
    ...base('cka', layers, minilm),
    estimator: 'cka.linear.debiased',
    params: { kernel: 'linear', estimator: 'debiased', permutations: 200, bootstrap: 200 },
    values: { cka: z },
    null: {
      mean: matrix(() => 0.0021),
      sd: matrix(() => 0.0117),
      p: matrix(() => 1 / 201),
      permutations: 200,
    },
    interval: {
      low: matrix((value) => (value === 1 ? 1 : value - 0.031)),
      high: matrix((value) => (value === 1 ? 1 : Math.min(1, value + 0.024))),
      level: 0.95,
      bootstrap: 200,
    },
    warnings: [
      'n = 256 is below d = 384: the biased estimator would overstate similarity; the debiased one is used.',
    ],
    views: [
      {
        kind: 'heatmap',
        title: 'Similarity of layers',
        x: { name: 'layer', values: layers },
        y: { name: 'layer', values: layers },
        z,
        range: [0, 1],
        unit: 'linear CKA',
      },
      {
        kind: 'line',
        title: 'Each layer against the next',
        x: { name: 'layer', values: layers.slice(1) },
        y: { name: 'linear CKA' },
        series: [
          {
            name: 'with the layer before',
            values: layers.slice(1).map((_, index) => z[index]![index + 1]!),
            low: layers.slice(1).map((_, index) => z[index]![index + 1]! - 0.031),
            high: layers.slice(1).map((_, index) => Math.min(1, z[index]![index + 1]! + 0.024)),
          },
        ],
      },
    ],
  };
}

/** Spectra of seven layers on logarithmic axes, profiles with intervals, a table. */
function spectrum(): Result {
  const ranks = Array.from({ length: 255 }, (_, index) => index + 1);
  const spectra = layers.map((name, depth) => ({
    name,
    values: ranks.map((rank) => between(2, 6, depth / 6) * rank ** -between(0.8, 1.5, depth / 6)),
  }));
  const ratio = layers.map((_, depth) => between(48, 17, depth / 6) + 3 * Math.sin(depth * 2));
  const rank = layers.map((_, depth) => between(141, 82, depth / 6) + 5 * Math.cos(depth * 2));
  const alpha = layers.map((_, depth) => between(0.8, 1.5, depth / 6));
  const profile = (name: string, values: number[], spread: number) => ({
    name,
    values,
    low: values.map((value) => value * (1 - spread)),
    high: values.map((value) => value * (1 + spread)),
  });
  return {
    ...base('spectrum', layers, minilm),
    estimator: 'spectrum.covariance',
    params: { center: true },
    values: { participationRatio: ratio, effectiveRank: rank, alpha },
    views: [
      {
        kind: 'line',
        title: 'Effective dimensions by depth',
        x: { name: 'layer', values: layers },
        y: { name: 'dimensions' },
        series: [
          profile('participation ratio', ratio, 0.12),
          profile('effective rank', rank, 0.06),
        ],
      },
      {
        kind: 'line',
        title: 'Eigenvalue spectra',
        x: { name: 'rank', values: ranks, log: true },
        y: { name: 'eigenvalue', log: true },
        series: spectra,
      },
      {
        kind: 'table',
        title: 'Summary by layer',
        columns: ['layer', 'participation ratio', 'effective rank', 'alpha'],
        rows: layers.map((name, at) => [name, ratio[at]!, rank[at]!, alpha[at]!]),
      },
    ],
  };
}

/** A hundred layers of two models, some of them without a number. */
function large(): Result {
  const z: (number | null)[][] = similarities(manyLayers, 2.5);
  for (let at = 0; at < 100; at++) z[37]![at] = null;
  return {
    ...base('cka', manyLayers, 'models/large-language-model'),
    inputs: ['models/large-a', 'models/large-b'].flatMap((uri) =>
      manyLayers.map((layer) => ({
        uri,
        layer,
        shape: [256, 384] as [number, number],
        dtype: 'bfloat16',
        sha256: hash,
      })),
    ),
    estimator: 'cka.linear.debiased',
    values: { cka: z },
    warnings: ['model.layers.37.resid_post of large-a is constant: no value for its row.'],
    views: [
      {
        kind: 'heatmap',
        title: 'Similarity of layers',
        x: { name: 'large-b layer', values: manyLayers },
        y: { name: 'large-a layer', values: manyLayers },
        z,
        range: [0, 1],
        unit: 'linear CKA',
      },
      {
        kind: 'line',
        title: 'Matching layers',
        x: { name: 'layer', values: manyLayers },
        y: { name: 'linear CKA' },
        series: [
          {
            name: 'same index',
            values: manyLayers.map((_, at) => (at === 37 ? null : 0.99 - 0.3 * (at / 100) ** 2)),
          },
        ],
      },
    ],
  };
}

/** Cells and points without a number, and values that a logarithmic axis cannot show. */
function gaps(): Result {
  const z: (number | null)[][] = similarities(layers, 1.6);
  z[3] = z[3]!.map(() => null);
  z[5]![1] = null;
  return {
    ...base('cka', layers, 'models/with-dead-layer.onnx'),
    estimator: 'cka.linear.debiased',
    values: { cka: z },
    warnings: [
      'encoder.layer.2.output is constant over the probe: its similarities are not defined.',
      'n = 256 is below d = 384.',
    ],
    views: [
      {
        kind: 'heatmap',
        title: 'Similarity of layers',
        x: { name: 'layer', values: layers },
        y: { name: 'layer', values: layers },
        z,
        unit: 'linear CKA',
      },
      {
        kind: 'line',
        title: 'Variance by depth',
        x: { name: 'layer', values: layers },
        y: { name: 'variance', log: true },
        series: [
          {
            name: 'total variance',
            values: [210, 34, 12, 0, 18, null, 95],
            low: [180, 29, 10, 0, 15, null, 80],
            high: [240, 40, 15, 0, 22, null, 111],
          },
        ],
      },
    ],
  };
}

/** Two plain matrices: one number with its interval, nearest-neighbour scatter and histogram. */
function scalars(): Result {
  // Ratios of the two nearest distances of a set of dimension 11.83: −log(1 − F) = 11.83 log μ.
  const points = Array.from({ length: 240 }, (_, index): [number, number] => {
    const y = -Math.log(1 - (index + 0.5) / 240);
    return [(y / 11.834) * (1 + 0.05 * Math.sin(index * 12.9)), y];
  });
  const counts = Array.from({ length: 24 }, (_, bin) =>
    Math.round(40 * Math.exp(-(((bin - 9) / 4.2) ** 2))),
  );
  return {
    ...base('intrinsic-dim', [], ''),
    inputs: [
      {
        uri: 'data/activations.npy',
        layer: null,
        shape: [2400, 768],
        dtype: 'float32',
        sha256: hash,
      },
    ],
    probe: undefined,
    n: 2400,
    d: 768,
    device: 'webgpu',
    elapsedMs: 312,
    estimator: 'intrinsic-dim.twonn',
    params: { estimator: 'twonn', discard: 0.1 },
    preprocessing: 'duplicates dropped',
    values: { dimension: 11.834217, dropped: 3, discard: 0.1 },
    interval: { low: 11.31, high: 12.4, level: 0.95, bootstrap: 200 },
    null: { mean: 203.4, sd: 4.1, p: 0.004975, permutations: 200 },
    warnings: [],
    views: [
      {
        kind: 'scatter',
        title: 'TwoNN fit',
        x: { name: 'log μ' },
        y: { name: '−log(1 − F)' },
        series: [
          { name: 'samples', points },
          {
            name: 'fit through the origin',
            points: [
              [0, 0],
              [0.5, 5.917],
            ],
            line: true,
          },
        ],
      },
      {
        kind: 'histogram',
        title: 'Local dimension',
        x: { name: 'dimension' },
        edges: Array.from({ length: 25 }, (_, at) => 4 + at * 0.75),
        counts,
      },
    ],
  };
}

/** The views of shape: bars, a barcode with its diagram, a graph, and a matrix around zero. */
function shapes(): Result {
  const ring = Array.from({ length: 24 }, (_, at) => (2 * Math.PI * at) / 24);
  const loops: [number, number | null][] = ring.map((angle, at) => [
    0.2 + 0.01 * at,
    0.24 + 0.02 * at + 0.1 * Math.abs(Math.sin(3 * angle)),
  ]);
  const finite = loops as [number, number][];
  return {
    ...base('persistence', [], ''),
    inputs: [{ uri: 'ring.npy', layer: null, shape: [24, 2], dtype: 'float64', sha256: hash }],
    probe: undefined,
    n: 24,
    d: 2,
    estimator: 'rips.z2',
    values: { threshold: 2, errorBound: 0 },
    views: [
      {
        kind: 'barcode',
        title: 'Persistence barcode',
        x: { name: 'distance' },
        series: [
          {
            name: 'H0',
            intervals: [[0, null], ...ring.slice(1).map((): [number, number] => [0, 0.26])],
          },
          { name: 'H1', intervals: [...loops, [0.26, 1.73]] },
        ],
      },
      {
        kind: 'scatter',
        title: 'Persistence diagram',
        x: { name: 'birth' },
        y: { name: 'death' },
        square: true,
        series: [
          {
            name: 'H1',
            points: [...finite, [0.26, 1.73]],
            labels: [...finite.map((_, at) => `loop ${at}`), 'ring'],
          },
          {
            name: 'birth = death',
            points: [
              [0, 0],
              [2, 2],
            ],
            line: true,
          },
        ],
      },
      {
        kind: 'graph',
        title: 'Curvature of the neighbour graph',
        unit: 'curvature',
        nodes: ring.map((angle, at) => ({
          name: `sample ${at}`,
          x: Math.cos(angle),
          y: Math.sin(angle),
          value: Math.sin(angle),
        })),
        edges: ring.map((_, at) => ({ from: at, to: (at + 1) % 24, value: Math.cos(at) })),
      },
      {
        kind: 'bars',
        title: 'Norms of class means',
        x: { name: 'class', values: ['cat', 'dog', 'a class with a long name', 'bird'] },
        y: { name: 'norm' },
        series: [
          { name: 'class means', values: [1.2, 0.9, 1.1, null] },
          { name: 'classifier', values: [1, 1.05, 0.98, 0.7] },
        ],
      },
      {
        kind: 'heatmap',
        title: 'Cosines of class means',
        x: { name: 'class', values: ['cat', 'dog', 'cow', 'bird'] },
        y: { name: 'class', values: ['cat', 'dog', 'cow', 'bird'] },
        z: Array.from({ length: 4 }, (_, i) =>
          Array.from({ length: 4 }, (__, j) => (i === j ? 1 : -1 / 3 + 0.05 * (i - j))),
        ),
        colors: 'diverging',
        range: [-1, 1],
        unit: 'cosine',
      },
    ],
  };
}

/** Numbers only: no views at all. */
function numbersOnly(): Result {
  return {
    ...base('hyperbolicity', [], ''),
    inputs: [{ uri: 'points.npy', layer: null, shape: [1500, 64], dtype: 'float64', sha256: hash }],
    probe: undefined,
    n: 1500,
    d: 64,
    estimator: 'hyperbolicity.gromov',
    values: { delta: 0.4182, deltaRelative: 0.1067 },
  };
}

const titled = (
  id: string,
  result: Result,
  headline: string,
  title: string,
): Extract<WebviewState, { kind: 'result' }> => ({
  kind: 'result',
  run: summary(id, result, headline),
  result,
  title,
});

export const results = {
  cka: titled('r1', cka(), 'cka first–last layer 0.237', 'Centred kernel alignment'),
  spectrum: titled('r2', spectrum(), 'participationRatio 48 → 15.4', 'Spectrum'),
  large: titled('r3', large(), 'cka 0.99 (mean of matching layers)', 'Centred kernel alignment'),
  gaps: titled('r4', gaps(), 'cka first–last layer 0.237', 'Centred kernel alignment'),
  scalars: titled('r5', scalars(), 'dimension 11.8', 'Intrinsic dimension'),
  shapes: titled('r7', shapes(), 'threshold 2', 'Persistent homology'),
  numbers: titled('r6', numbersOnly(), 'delta 0.418', 'Hyperbolicity'),
};

export const heatmapOf = (result: Result): ViewOf<'heatmap'> =>
  result.views.find((view) => view.kind === 'heatmap')!;

export const outline: ModelOutline = {
  path: 'models/all-MiniLM-L6-v2',
  name: 'all-MiniLM-L6-v2',
  format: 'huggingface',
  architecture: 'BertModel',
  bytes: 90_868_376,
  parameters: 22_713_216,
  dtypes: { float32: 22_713_216, int64: 512 },
  inputs: ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({
    name,
    dtype: 'int64' as const,
    shape: ['batch', 'tokens'],
  })),
  outputs: [{ name: 'last_hidden_state', dtype: 'float32', shape: ['batch', 'tokens', 384] }],
  layers: layers.flatMap((name, index) => [
    {
      name,
      kind: 'hidden state',
      axes: 'tokens' as const,
      shape: ['batch', 'tokens', 384],
      default: true,
    },
    ...(index === 0
      ? []
      : [
          {
            name: `encoder.layer.${index - 1}.attention.probs`,
            kind: 'attention probabilities',
            axes: 'attention' as const,
            shape: ['batch', 12, 'tokens', 'tokens'],
            default: false,
          },
          {
            name: `encoder.layer.${index - 1}.intermediate`,
            kind: 'MLP activation',
            axes: 'tokens' as const,
            shape: ['batch', 'tokens', 1536],
            parameters: 591_360,
            default: false,
          },
        ]),
  ]),
  tensors: [],
  metadata: {},
  findings: [
    {
      severity: 'warning',
      code: 'non-finite-weights',
      message: 'pooler.dense.weight holds 3 NaN values.',
    },
    { severity: 'info', code: 'tokenizer', message: 'tokenizer.json lies beside the weights.' },
  ],
  runnable: true,
};

/** A model of which only weights are known. */
const weights: ModelOutline = {
  ...outline,
  path: 'models/llama-q4.gguf',
  name: 'llama-q4',
  format: 'gguf',
  architecture: 'llama',
  dtypes: { Q4_K: 6_500_000_000, Q6_K: 500_000_000, float32: 266_240 },
  inputs: [],
  outputs: [],
  layers: [],
  tensors: Array.from({ length: 600 }, (_, block) => ({
    name: `blk.${block}.attn_q.weight`,
    dtype: block % 2 === 0 ? 'Q4_K' : 'Q6_K',
    shape: [4096, 4096],
    bytes: 9_437_184,
  })),
  findings: [],
  runnable: false,
  notRunnableBecause: 'a GGUF file holds weights for llama.cpp, and no graph',
};

export const panelStates: Record<string, WebviewState> = {
  empty: { kind: 'empty', message: 'Run an analysis to see its result here.' },
  busy: { kind: 'busy', message: 'cka: capturing encoder.layer.3.output', fraction: 0.42 },
  starting: { kind: 'busy', message: 'Starting the worker', fraction: null },
  error: {
    kind: 'error',
    where: 'models/digits-cnn.onnx',
    what: 'the file ends in the middle of a tensor',
    remedy: 'download it again, or check that Git LFS has fetched it',
  },
  ...results,
};

export const inspectorStates: Record<string, WebviewState> = {
  weights: { kind: 'model', outline: weights, runs: [] },
  empty: panelStates['empty']!,
  busy: panelStates['starting']!,
  error: panelStates['error']!,
  model: {
    kind: 'model',
    outline,
    runs: [results.cka, results.spectrum].map(({ run, result }) => ({ run, result })),
  },
};
