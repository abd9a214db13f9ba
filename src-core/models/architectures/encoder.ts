import { z } from 'zod';
import type { LayerInfo } from '../model.ts';
import { Unsupported } from './architecture.ts';
import { normalize } from './blocks/norms.ts';
import type { Network, Node } from './network.ts';

/** A whole number above 0. */
export const size = z.int().positive();

/** Names that `transformers` gives to the activations computed here. */
export const activation = z.enum([
  'gelu',
  'gelu_python',
  'gelu_new',
  'gelu_pytorch_tanh',
  'gelu_fast',
  'quick_gelu',
  'relu',
  'silu',
  'swish',
  'tanh',
]);
export type Activation = z.infer<typeof activation>;

const exactGelu = new Set<Activation>(['gelu', 'gelu_python']);

export function activate(net: Network, value: Node, kind: Activation): Node {
  if (kind === 'relu') return net.op('Relu', [value]);
  if (kind === 'tanh') return net.op('Tanh', [value]);
  if (kind === 'silu' || kind === 'swish') {
    return net.op('Mul', [value, net.op('Sigmoid', [value])]);
  }
  if (kind === 'quick_gelu') {
    const gate = net.op('Sigmoid', [net.op('Mul', [value, net.scalar(1.702)])]);
    return net.op('Mul', [value, gate]);
  }
  return net.op('Gelu', [value], { approximate: exactGelu.has(kind) ? 'none' : 'tanh' });
}

/** The width of one head. @throws Unsupported where heads do not divide the width. */
export function headWidth(width: number, heads: number, field = 'num_attention_heads'): number {
  if (width % heads === 0) return width / heads;
  throw new Unsupported(`config.json has ${field} = ${heads}, which does not divide ${width}`);
}

/** What is put before a tensor's name in this checkpoint, found by one that is always there. */
export function weightPrefix(names: Iterable<string>, stem: string): string {
  for (const name of names) {
    if (name === stem || name.endsWith(`.${stem}`)) return name.slice(0, -stem.length);
  }
  throw new Unsupported(`the weights lack ${stem}`);
}

const lowest = -3.4028234663852886e38;

/** What is added to the scores: 0 where a position may be attended to, the lowest float elsewhere. */
export const hideUnless = (net: Network, allowed: Node): Node =>
  net.op('Where', [allowed, net.scalar(0), net.scalar(lowest)]);

/** [batch, tokens] of 0 and 1 → [batch, 1, 1, tokens], true where a token is real. */
export const realKeys = (net: Network, mask: Node): Node =>
  net.op('Cast', [net.op('Unsqueeze', [mask, net.ints(1, 2)])], { to: { to: 'bool' } });

/** [tokens]: 0, 1, 2, … for the tokens of `ids` [batch, tokens]. */
export function positionsOf(net: Network, ids: Node): Node {
  const tokens = net.op('Gather', [net.op('Shape', [ids]), net.int(1)]);
  return net.op('Range', [net.int(0), tokens, net.int(1)]);
}

/** A dense layer of the checkpoint: tensors `name.weight` [out, in] and, unless told, `name.bias`. */
export interface Dense {
  name: string;
  input: number;
  out: number;
  bias?: boolean;
}

export interface AttentionParts {
  query: Dense;
  key: Dense;
  value: Dense;
  out: Dense;
  heads: number;
  /** Factor of query · key. */
  scale: number;
  /** Added to the scores as part of them: [1, heads, tokens, tokens]. */
  bias?: Node;
  /** Added to the scores to hide positions; broadcast to [batch, heads, tokens, tokens]. */
  hide?: Node;
}

export interface MlpParts {
  /**
   * Two of them where the first gates the second; a single one of twice the width that `down` reads
   * holds both.
   */
  up: readonly [Dense] | readonly [Dense, Dense];
  down: Dense;
  act: Activation;
}

/** One block of an encoder: attention, then the MLP, each added to what came in. */
export interface BlockParts {
  attention: AttentionParts;
  mlp: MlpParts;
  /** Names of the two layer norms: of the attention and of the MLP. */
  norms: readonly [string, string];
  epsilon: number;
  /** Names of the tensors that scale each unit of what attention and MLP give. */
  scales?: readonly [string, string];
}

export interface TowerOptions {
  /** Put before the name of every layer. */
  prefix?: string;
  /** Put before the name of every tensor of the checkpoint. */
  weights: string;
  /** How many tokens, or that they vary. */
  tokens: number | 'tokens';
  /** The model inputs that drive it, where the model has others. */
  inputs?: string[];
}

/** The parts that transformer encoders are put together from, on values [batch, tokens, d]. */
export class Tower {
  readonly net: Network;
  readonly #options: TowerOptions;
  /** [batch, tokens], of the first value that came. */
  #lead: Node | undefined;
  readonly #shapes = new Map<string, Node>();

  constructor(net: Network, options: TowerOptions) {
    this.net = net;
    this.#options = options;
  }

  tensor(name: string, shape: readonly number[]): Node {
    return this.net.weight(this.#options.weights + name, shape);
  }

  lookUp(name: string, shape: readonly number[], indices: Node): Node {
    return this.net.lookUp(this.#options.weights + name, shape, indices);
  }

  has(name: string): boolean {
    return this.net.has(this.#options.weights + name);
  }

  #layer(
    value: Node,
    name: string,
    about: { kind: string; axes: LayerInfo['axes']; shape: (number | string)[] },
  ): Node {
    const { prefix = '', inputs } = this.#options;
    return this.net.layer(value, prefix + name, {
      ...about,
      ...(inputs === undefined ? {} : { inputs }),
    });
  }

  /** Name a value [batch, tokens, width]. */
  hidden(value: Node, name: string, width: number, kind = 'hidden state'): Node {
    const shape = ['batch', this.#options.tokens, width];
    return this.#layer(value, name, { kind, axes: 'tokens', shape });
  }

  /** Name a value [batch, width]. */
  features(value: Node, name: string, width: number, kind: string): Node {
    return this.#layer(value, name, { kind, axes: 'features', shape: ['batch', width] });
  }

  /** Name a value [batch, heads, tokens, tokens]. */
  #map(value: Node, name: string, heads: number, kind: string): Node {
    const { tokens } = this.#options;
    return this.#layer(value, name, {
      kind,
      axes: 'attention',
      shape: ['batch', heads, tokens, tokens],
    });
  }

  /** The shape [batch, tokens, …rest]; `value` begins with the first two. */
  #shape(value: Node, ...rest: number[]): Node {
    const { net } = this;
    this.#lead ??= net.op('Shape', [value], { start: 0, end: 2 });
    const key = rest.join();
    let shape = this.#shapes.get(key);
    if (shape === undefined) {
      shape = net.op('Concat', [this.#lead, net.ints(...rest)], { axis: 0 });
      this.#shapes.set(key, shape);
    }
    return shape;
  }

  /** [batch, tokens, in] → [batch, tokens, out]; `x` may have its last axis split. */
  dense(x: Node, part: Dense): Node {
    const { net } = this;
    // A checkpoint keeps matrices as [out, in]: Gemm takes them so, where MatMul would need a
    // transposed copy.
    const flat = net.op('Reshape', [x, net.ints(-1, part.input)]);
    return net.op('Reshape', [this.head(flat, part), this.#shape(x, part.out)]);
  }

  /** [batch, in] → [batch, out]. */
  head(x: Node, { name, input, out, bias = true }: Dense): Node {
    const weight = this.tensor(`${name}.weight`, [out, input]);
    const parts = bias ? [x, weight, this.tensor(`${name}.bias`, [out])] : [x, weight];
    return this.net.op('Gemm', parts, { transB: 1 });
  }

  layerNorm(x: Node, name: string, width: number, epsilon: number): Node {
    const { net } = this;
    const { weights } = this.#options;
    // Checkpoints converted from TensorFlow call the scale and shift gamma and beta.
    const scale = net.weight([`${weights}${name}.weight`, `${weights}${name}.gamma`], [width]);
    const shift = net.weight([`${weights}${name}.bias`, `${weights}${name}.beta`], [width]);
    return net.op('LayerNormalization', [x, scale, shift], {
      axis: -1,
      epsilon: { float: epsilon },
    });
  }

  /** x / √(mean x² + ε), times a scale. */
  rmsNorm(x: Node, name: string, width: number, epsilon: number): Node {
    const weights = this.#options.weights + name;
    return normalize(this.net, x, { name: weights, width, kind: 'rms', epsilon });
  }

  /** Self-attention of `x`; names `attn.q`, `k`, `v`, `scores`, `probs` and `out` under `at`. */
  attention(x: Node, at: string, parts: AttentionParts): Node {
    const { net } = this;
    const { heads, bias, hide } = parts;
    const project = (part: Dense, letter: string, kind: string) =>
      this.hidden(this.dense(x, part), `${at}.attn.${letter}`, part.out, kind);
    const q = project(parts.query, 'q', 'query');
    const k = project(parts.key, 'k', 'key');
    const v = project(parts.value, 'v', 'value');
    /** [batch, tokens, d] → [batch, heads, …] in the axis order asked for. */
    const split = (value: Node, width: number, perm: readonly number[]): Node => {
      const shape = this.#shape(value, heads, width / heads);
      return net.op('Transpose', [net.op('Reshape', [value, shape])], { perm });
    };
    const product = net.op('MatMul', [
      split(q, parts.query.out, [0, 2, 1, 3]),
      split(k, parts.key.out, [0, 2, 3, 1]),
    ]);
    const scaled = parts.scale === 1 ? product : net.op('Mul', [product, net.scalar(parts.scale)]);
    const biased = bias === undefined ? scaled : net.op('Add', [scaled, bias]);
    const scores = this.#map(biased, `${at}.attn.scores`, heads, 'attention scores');
    const seen = hide === undefined ? scores : net.op('Add', [scores, hide]);
    const probs = this.#map(
      net.op('Softmax', [seen], { axis: -1 }),
      `${at}.attn.probs`,
      heads,
      'attention probabilities',
    );
    const heard = net.op('MatMul', [probs, split(v, parts.value.out, [0, 2, 1, 3])]);
    const context = net.op('Transpose', [heard], { perm: [0, 2, 1, 3] });
    const { out } = parts;
    return this.hidden(this.dense(context, out), `${at}.attn.out`, out.out, 'attention output');
  }

  /** The feed-forward part; names `mlp.pre`, `act` and `out` under `at`, and `up` where it is gated. */
  mlp(x: Node, at: string, { up, down, act }: MlpParts): Node {
    const { net } = this;
    const width = down.input;
    const name = (value: Node, what: string, units: number, kind: string) =>
      this.hidden(value, `${at}.mlp.${what}`, units, kind);
    const [first, second] = up;
    const whole = this.dense(x, first);
    const merged = first.out === 2 * width;
    const pre = name(
      merged ? net.slice(whole, 0, width, 2) : whole,
      'pre',
      width,
      'MLP pre-activation',
    );
    let inner = activate(net, pre, act);
    if (merged || second !== undefined) {
      const values = second ? this.dense(x, second) : net.slice(whole, width, 2 * width, 2);
      inner = net.op('Mul', [inner, name(values, 'up', width, 'MLP gated values')]);
    }
    const active = name(inner, 'act', width, 'MLP activation');
    return name(this.dense(active, down), 'out', down.out, 'MLP output');
  }

  /** Name what a block takes, which has the name of the layer before it too. */
  enter(x: Node, at: string, width: number): void {
    this.hidden(x, `${at}.resid_pre`, width, 'residual');
  }

  /** A block that normalises each sum (Vaswani et al. 2017); names `resid_pre`, `mid` and `post`. */
  postNormBlock(x: Node, at: string, { attention, mlp, norms, epsilon }: BlockParts): Node {
    const width = attention.out.out;
    this.enter(x, at, width);
    const attended = this.add(this.attention(x, at, attention), x);
    const normed = this.layerNorm(attended, norms[0], width, epsilon);
    const mid = this.hidden(normed, `${at}.resid_mid`, width, 'residual');
    const post = this.layerNorm(this.add(this.mlp(mid, at, mlp), mid), norms[1], width, epsilon);
    return this.hidden(post, `${at}.resid_post`, width);
  }

  /** A block that normalises what each part reads; names `resid_pre`, `mid` and `post`. */
  preNormBlock(x: Node, at: string, { attention, mlp, norms, epsilon, scales }: BlockParts): Node {
    const width = attention.out.out;
    this.enter(x, at, width);
    const scaled = (value: Node, name: string | undefined) =>
      name === undefined ? value : this.net.op('Mul', [value, this.tensor(name, [width])]);
    const read = this.layerNorm(x, norms[0], width, epsilon);
    const attended = scaled(this.attention(read, at, attention), scales?.[0]);
    const mid = this.hidden(this.add(attended, x), `${at}.resid_mid`, width, 'residual');
    const reread = this.layerNorm(mid, norms[1], width, epsilon);
    const down = scaled(this.mlp(reread, at, mlp), scales?.[1]);
    return this.hidden(this.add(down, mid), `${at}.resid_post`, width);
  }

  add(a: Node, b: Node): Node {
    return this.net.op('Add', [a, b]);
  }

  /** [batch, tokens, d] → the first token's [batch, d]. */
  first(x: Node): Node {
    return this.net.op('Gather', [x, this.net.int(0)], { axis: 1 });
  }
}
