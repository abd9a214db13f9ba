import { hideUnless, realKeys } from '../encoder.ts';
import type { Network, Node } from '../network.ts';
import type { TokenGrid } from './token-grid.ts';

/**
 * What hides keys from queries, added to the scores. Each sees the real tokens (1 in `mask`
 * [batch, tokens]) at or before it and, where there is a window, at most `window` - 1 places back.
 * @returns [batch, 1, tokens, tokens]
 */
export function causalMask(net: Network, grid: TokenGrid, mask: Node, window?: number): Node {
  const count = net.op('Squeeze', [grid.tokens]);
  const places = net.op('Range', [net.int(0), count, net.int(1)]);
  const queries = net.op('Unsqueeze', [places, net.ints(1)]);
  let seen = net.op('LessOrEqual', [places, queries]);
  if (window !== undefined) {
    const distance = net.op('Sub', [queries, places]);
    seen = net.op('And', [seen, net.op('Less', [distance, net.ints(window)])]);
  }
  return hideUnless(net, net.op('And', [seen, realKeys(net, mask)]));
}

/**
 * Each token's place among the real tokens of its text, from 0, so that padding on the left moves
 * nothing; padding gets the place of the real token before it, or 0.
 * @returns int64 [batch, tokens]
 */
export function placesAmongReal(net: Network, mask: Node): Node {
  const counted = net.op('CumSum', [mask, net.int(1)]);
  return net.op('Max', [net.op('Sub', [counted, net.ints(1)]), net.ints(0)]);
}

/** Queries have `heads` heads; each of the `keyHeads` heads of keys and values serves several. */
export interface AttentionShape {
  heads: number;
  keyHeads: number;
  /** Units of one head. */
  width: number;
}

/** [batch, tokens, heads, width] → [batch, heads, tokens, width], and back. */
export const swapTokensAndHeads = (net: Network, x: Node): Node =>
  net.op('Transpose', [x], { perm: [0, 2, 1, 3] });

/**
 * Scaled products of queries [batch, heads, tokens, width] and keys [batch, keyHeads, tokens, width],
 * where there is a cap squashed into (-cap, cap).
 * @returns [batch, heads, tokens, tokens]
 */
export function attentionScores(
  net: Network,
  grid: TokenGrid,
  q: Node,
  k: Node,
  shape: AttentionShape,
  { scale, cap }: { scale: number; cap?: number | undefined },
): Node {
  const keys = net.op('Transpose', [k], { perm: [0, 1, 3, 2] });
  const product = grouped(net, grid, q, shape.width, keys, 'tokens', shape);
  const scaled = net.op('Mul', [product, net.scalar(scale)]);
  return cap === undefined ? scaled : softCap(net, scaled, cap);
}

/** Softmax over the keys that `hide` leaves (see {@link causalMask}). */
export function attentionProbabilities(net: Network, scores: Node, hide: Node): Node {
  return net.op('Softmax', [net.op('Add', [scores, hide])], { axis: -1 });
}

/** Values [batch, keyHeads, tokens, width] averaged by `probs`: [batch, tokens, heads · width]. */
export function attentionAverage(
  net: Network,
  grid: TokenGrid,
  probs: Node,
  v: Node,
  shape: AttentionShape,
): Node {
  const heard = grouped(net, grid, probs, 'tokens', v, shape.width, shape);
  return grid.rows(swapTokensAndHeads(net, heard), shape.heads * shape.width);
}

/**
 * Matrix products of a [batch, heads, …] and b [batch, keyHeads, …], whose last axes have the sizes
 * given. b's heads are broadcast to the queries that share them (Ainslie et al. 2023), not repeated.
 */
function grouped(
  net: Network,
  grid: TokenGrid,
  a: Node,
  lastOfA: number | 'tokens',
  b: Node,
  lastOfB: number | 'tokens',
  { heads, keyHeads }: AttentionShape,
): Node {
  if (heads === keyHeads) return net.op('MatMul', [a, b]);
  const byGroup = grid.heads(a, [keyHeads, heads / keyHeads], lastOfA);
  const product = net.op('MatMul', [byGroup, net.op('Unsqueeze', [b, net.ints(2)])]);
  return grid.heads(product, [heads], lastOfB);
}

/** cap · tanh(x / cap) */
export function softCap(net: Network, x: Node, cap: number): Node {
  const squashed = net.op('Tanh', [net.op('Div', [x, net.scalar(cap)])]);
  return net.op('Mul', [squashed, net.scalar(cap)]);
}
