import type { Reduction } from '../../capture/reduction.ts';
import type { GraphBuilder, Value } from '../../onnx/graph-builder.ts';
import { Terms } from '../terms.ts';

/**
 * What is kept of the attention map A of one head over one sample of T real tokens:
 * - `entropy`: −(1/T) Σ_i Σ_j A_ij log A_ij;
 * - `causalEntropy`: the mean over queries i = 2 … T of the entropy of row i over log i;
 * - `fullEntropy`: entropy / log T;
 * - `sink`: what queries 2 … T give to the first token, on average;
 * - `strongest`: the largest mean over queries that any token gets;
 * - `rank`: (Σσ²)²/Σσ⁴ = ‖A‖_F⁴/‖AᵀA‖_F², σ the singular values;
 * - `ahead`: what queries give to later tokens, on average, 0 in a causal map;
 * - `mass`: Σ A, which is T.
 */
export const attentionStatistics = [
  'entropy',
  'causalEntropy',
  'fullEntropy',
  'sink',
  'strongest',
  'rank',
  'ahead',
  'mass',
] as const;
export type AttentionStatistic = (typeof attentionStatistics)[number];

/** Smallest number that a logarithm is taken of: a normal one, so that no device flushes it to 0. */
const tiny: Record<'float32' | 'float64', number> = { float32: 1e-37, float64: 1e-300 };

/**
 * The statistics of maps [batch, heads, T, T] under a mask [batch, T]: [batch, heads · statistics],
 * those of a head side by side.
 */
function statisticsOf(
  graph: GraphBuilder,
  maps: Value,
  mask: Value,
  type: 'float32' | 'float64',
): Value {
  const t = new Terms(graph, type);
  const [one, least] = [t.scalar(1), t.scalar(tiny[type])];
  const rows = t.shaped(mask, 0, 1, -1, 1);
  const columns = t.shaped(mask, 0, 1, 1, -1);
  const pairs = t.op('Mul', rows, columns);
  const a = t.masked(maps, pairs);
  const tokens = t.op('MatMul', columns, rows);
  const average = t.op('Div', columns, tokens);

  const places = t.places(mask);
  const first = t.first(mask, places);
  const others = t.op('Sub', mask, first);
  const rest = t.op('Max', t.op('Sub', tokens, one), one);
  const averageOfRest = t.op('Div', t.shaped(others, 0, 1, 1, -1), rest);
  const limits = t.op('Log', t.op('Max', places, t.scalar(2)));
  const overLimits = t.op('Div', averageOfRest, t.shaped(limits, 0, 1, 1, -1));
  const later = t.op(
    'Min',
    t.op('Relu', t.op('Sub', t.shaped(places, 0, 1, 1, -1), t.shaped(places, 0, 1, -1, 1))),
    one,
  );

  const surprise = t.op('Mul', a, t.op('Log', t.op('Max', a, least)));
  const entropies = t.op('Neg', t.op('MatMul', surprise, rows));
  const entropy = t.op('MatMul', average, entropies);
  const logTokens = t.op('Log', t.op('Max', tokens, t.scalar(2)));
  const toFirst = t.op('MatMul', a, t.shaped(first, 0, 1, -1, 1));
  const [strongest] = graph.ops(
    'TopK',
    [t.op('MatMul', average, a), graph.ints(1)],
    { axis: -1, largest: 1 },
    2,
  );
  const gram = t.op('MatMul', graph.op('Transpose', [a], { perm: [0, 1, 3, 2] }), a);
  const norm = t.total(t.op('Mul', a, a), rows, columns);
  const ahead = t.op('MatMul', t.op('Mul', a, later), rows);
  const values: Record<AttentionStatistic, Value> = {
    entropy,
    causalEntropy: t.op('MatMul', overLimits, entropies),
    fullEntropy: t.op('Div', entropy, logTokens),
    sink: t.op('MatMul', averageOfRest, toFirst),
    strongest: strongest!,
    rank: t.op('Div', t.op('Mul', norm, norm), t.total(t.op('Mul', gram, gram), rows, columns)),
    ahead: t.op('MatMul', average, ahead),
    mass: t.total(a, rows, columns),
  };
  const side = graph.op(
    'Concat',
    attentionStatistics.map((name) => values[name]),
    { axis: 3 },
  );
  return t.shaped(side, 0, -1);
}

/** The statistics of maps [batch, heads, tokens, tokens]: heads · statistics of each sample. */
export const attentionReduction: Reduction = { id: 'attention-1', append: statisticsOf };
