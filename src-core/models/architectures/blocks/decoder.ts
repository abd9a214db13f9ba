import { activate, type Activation } from '../encoder.ts';
import type { ArchitecturePlan, Weights } from '../architecture.ts';
import { Unsupported, WeightTable } from '../architecture.ts';
import { Network, type Node } from '../network.ts';
import {
  attentionAverage,
  attentionProbabilities,
  attentionScores,
  causalMask,
  placesAmongReal,
  softCap,
  swapTokensAndHeads,
  type AttentionShape,
} from './attention.ts';
import { dense, type Dense } from './dense.ts';
import { normalize, type Norm } from './norms.ts';
import { rotate, rotationAt, type Rope, type Rotation } from './rope.ts';
import { TokenGrid } from './token-grid.ts';

/** How a layer makes queries, keys and values. */
export type Projection =
  | { kind: 'separate'; q: Dense; k: Dense; v: Dense }
  /** One dense layer: all queries, then all keys, then all values. */
  | { kind: 'joined'; all: Dense }
  /** One dense layer: for each head its query, key and value. */
  | { kind: 'interleaved'; all: Dense };

/** How a layer makes what its activation takes. */
export type Expansion =
  | { kind: 'plain'; up: Dense }
  /** act(gate) · up */
  | { kind: 'gated'; gate: Dense; up: Dense }
  /** The same from one dense layer: gate, then up. */
  | { kind: 'joined'; all: Dense };

export interface DecoderLayer {
  attentionNorm: Norm;
  projection: Projection;
  /** Over each head of the queries and keys. */
  queryNorm?: Norm | undefined;
  keyNorm?: Norm | undefined;
  /** Factor of query · key. */
  scale: number;
  /** Soft cap of the scores. */
  cap?: number | undefined;
  /** How many places back a token sees, its own included; all where absent. */
  window?: number | undefined;
  output: Dense;
  /** Over what attention adds to the residual stream. */
  attentionOutputNorm?: Norm;
  mlpNorm: Norm;
  expansion: Expansion;
  activation: Activation;
  contraction: Dense;
  /** Over what the MLP adds to the residual stream. */
  mlpOutputNorm?: Norm;
  /** Attention and MLP read the same residual stream, side by side. */
  parallel?: boolean;
}

/** An embedding table [rows, width]. */
export interface Table {
  name: string;
  rows: number;
}

/** A causal language model, as its config says. */
export interface Decoder {
  /** `model_type` of the config. */
  name: string;
  width: number;
  shape: AttentionShape;
  words: Table;
  /** Factor of the word embeddings. */
  wordScale?: number;
  /** Learned position embeddings. */
  positions?: Table;
  rope?: Rope;
  layers: DecoderLayer[];
  finalNorm: Norm;
  /** The first of these tensors [vocabulary, width] that is there makes the logits. */
  head: readonly string[];
  /** Soft cap of the logits. */
  logitCap?: number | undefined;
}

/** What the layers of one network share. */
interface Context {
  net: Network;
  grid: TokenGrid;
  decoder: Decoder;
  rotation: Rotation | undefined;
  /** The causal mask of a window, made once each. */
  hide: (window: number | undefined) => Node;
}

/**
 * The forward pass of a causal language model over whole texts, padded on either side.
 *
 * Values: `embeddings`, `layers.N.resid_pre`, `attn.q`, `k`, `v` (before head norms and rotation),
 * `scores` (before the mask), `probs`, `out`, `resid_mid` (unless attention and MLP are parallel),
 * `mlp.pre`, `mlp.up` (where gated), `act` (what the last dense layer takes), `out`, `resid_post`,
 * then `ln_final` and, where there is a head, `logits`.
 *
 * @throws Unsupported where weights are missing or have another shape.
 */
export function planDecoder(decoder: Decoder, weights: Weights): ArchitecturePlan {
  const { heads, keyHeads } = decoder.shape;
  if (heads % keyHeads !== 0) {
    throw new Unsupported(
      `config.json has num_key_value_heads = ${keyHeads}, which does not divide ${heads} heads`,
    );
  }
  const net = new Network(decoder.name, new WeightTable(weights));
  const ids = net.input('input_ids', 'int64', ['batch', 'tokens']);
  const mask = net.input('attention_mask', 'int64', ['batch', 'tokens']);
  const grid = new TokenGrid(net, ids);
  const places = placesAmongReal(net, mask);
  const { rope } = decoder;
  const context: Context = {
    net,
    grid,
    decoder,
    rotation: rope === undefined ? undefined : rotationAt(net, places, rope),
    hide: once((window) => causalMask(net, grid, mask, window)),
  };

  let x = name(context, embed(context, ids, places), 'embeddings', 'hidden state', decoder.width);
  for (const [n, layer] of decoder.layers.entries()) x = runLayer(context, layer, x, `layers.${n}`);
  const normed = normalize(net, x, decoder.finalNorm);
  const final = name(context, normed, 'ln_final', 'hidden state', decoder.width);
  const head = decoder.head.find((tensor) => net.has(tensor));
  return net.plan([head === undefined ? final : logits(context, final, head)]);
}

function once(make: (window: number | undefined) => Node): (window: number | undefined) => Node {
  const made = new Map<number | undefined, Node>();
  return (window) => {
    const node = made.get(window) ?? make(window);
    made.set(window, node);
    return node;
  };
}

const name = ({ net }: Context, x: Node, layer: string, kind: string, width: number): Node =>
  net.layer(x, layer, { kind, axes: 'tokens', shape: ['batch', 'tokens', width] });

function embed({ net, decoder }: Context, ids: Node, places: Node): Node {
  const { words, wordScale, positions, width } = decoder;
  const word = net.lookUp(words.name, [words.rows, width], ids);
  const scaled = wordScale === undefined ? word : net.op('Mul', [word, net.scalar(wordScale)]);
  if (positions === undefined) return scaled;
  return net.op('Add', [scaled, net.lookUp(positions.name, [positions.rows, width], places)]);
}

function logits(context: Context, x: Node, tensor: string): Node {
  const { net, grid, decoder } = context;
  const { width, words, logitCap } = decoder;
  const weight = net.weight(tensor, [words.rows, width]);
  const flat = net.op('Reshape', [x, net.ints(-1, width)]);
  const y = grid.rows(net.op('Gemm', [flat, weight], { transB: 1 }), words.rows);
  const capped = logitCap === undefined ? y : softCap(net, y, logitCap);
  return name(context, capped, 'logits', 'logits', words.rows);
}

function runLayer(context: Context, layer: DecoderLayer, x: Node, at: string): Node {
  const { net, decoder } = context;
  const residual = (value: Node, part: string, kind = 'residual') =>
    name(context, value, `${at}.${part}`, kind, decoder.width);
  const add = (a: Node, b: Node) => net.op('Add', [a, b]);
  residual(x, 'resid_pre');
  const attended = runAttention(context, layer, normalize(net, x, layer.attentionNorm), at);
  const heard = optionalNorm(net, attended, layer.attentionOutputNorm);
  const parallel = layer.parallel === true;
  const mid = parallel ? x : residual(add(x, heard), 'resid_mid');
  const computed = runMlp(context, layer, normalize(net, mid, layer.mlpNorm), at);
  const thought = optionalNorm(net, computed, layer.mlpOutputNorm);
  const added = parallel ? add(thought, heard) : thought;
  return residual(add(mid, added), 'resid_post', 'hidden state');
}

const optionalNorm = (net: Network, x: Node, norm: Norm | undefined) =>
  norm === undefined ? x : normalize(net, x, norm);

function runAttention(context: Context, layer: DecoderLayer, x: Node, at: string): Node {
  const { net, grid, decoder, rotation, hide } = context;
  const { shape } = decoder;
  const { heads, keyHeads, width } = shape;
  const counts = [heads, keyHeads, keyHeads];
  const [q, k, v] = project(context, layer.projection, x).map((value, i) => {
    const [letter, kind] = [
      ['q', 'query'],
      ['k', 'key'],
      ['v', 'value'],
    ][i] as [string, string];
    return name(context, value, `${at}.attn.${letter}`, kind, counts[i]! * width);
  }) as [Node, Node, Node];
  const byHead = (value: Node, count: number, norm?: Norm) =>
    swapTokensAndHeads(net, optionalNorm(net, grid.rows(value, count, width), norm));
  const turn = (value: Node) =>
    rotation === undefined ? value : rotate(net, value, rotation, width);
  const map = (value: Node, part: string, kind: string) =>
    net.layer(value, `${at}.attn.${part}`, {
      kind,
      axes: 'attention',
      shape: ['batch', heads, 'tokens', 'tokens'],
    });

  const queries = turn(byHead(q, heads, layer.queryNorm));
  const keys = turn(byHead(k, keyHeads, layer.keyNorm));
  const products = attentionScores(net, grid, queries, keys, shape, layer);
  const scores = map(products, 'scores', 'attention scores');
  const softmax = attentionProbabilities(net, scores, hide(layer.window));
  const probs = map(softmax, 'probs', 'attention probabilities');
  const heard = attentionAverage(net, grid, probs, byHead(v, keyHeads), shape);
  const out = dense(net, grid, heard, layer.output);
  return name(context, out, `${at}.attn.out`, 'attention output', decoder.width);
}

/** Queries, keys and values, each [batch, tokens, its heads · width]. */
function project({ net, grid, decoder }: Context, projection: Projection, x: Node): Node[] {
  const { heads, keyHeads, width } = decoder.shape;
  if (projection.kind === 'separate') {
    return [projection.q, projection.k, projection.v].map((part) => dense(net, grid, x, part));
  }
  const all = dense(net, grid, x, projection.all);
  if (projection.kind === 'joined') {
    const ends = [0, heads, heads + keyHeads, heads + 2 * keyHeads].map((end) => end * width);
    return [0, 1, 2].map((i) => net.slice(all, ends[i]!, ends[i + 1]!, -1));
  }
  const byHead = grid.rows(all, heads, 3 * width);
  return [0, 1, 2].map((i) =>
    grid.rows(net.slice(byHead, i * width, (i + 1) * width, -1), heads * width),
  );
}

function runMlp(context: Context, layer: DecoderLayer, x: Node, at: string): Node {
  const { net, grid, decoder } = context;
  const { expansion, activation, contraction } = layer;
  const inner = contraction.input;
  const part = (value: Node, what: string, kind: string) =>
    name(context, value, `${at}.mlp.${what}`, kind, inner);
  const [first, second] = expand(context, expansion, x) as [Node, Node | undefined];
  const activated = activate(net, part(first, 'pre', 'MLP pre-activation'), activation);
  const gated =
    second === undefined
      ? activated
      : net.op('Mul', [activated, part(second, 'up', 'MLP gated values')]);
  const act = part(gated, 'act', 'MLP activation');
  const out = dense(net, grid, act, contraction);
  return name(context, out, `${at}.mlp.out`, 'MLP output', decoder.width);
}

/** What the activation takes and, where it gates something, what it gates. */
function expand({ net, grid }: Context, expansion: Expansion, x: Node): Node[] {
  if (expansion.kind === 'plain') return [dense(net, grid, x, expansion.up)];
  if (expansion.kind === 'gated') {
    return [dense(net, grid, x, expansion.gate), dense(net, grid, x, expansion.up)];
  }
  const all = dense(net, grid, x, expansion.all);
  const half = expansion.all.out / 2;
  return [net.slice(all, 0, half, -1), net.slice(all, half, 2 * half, -1)];
}
