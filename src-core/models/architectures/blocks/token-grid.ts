import type { Network, Node } from '../network.ts';

/** Shapes that begin with the batch and hold the tokens of `input_ids`, known only when it runs. */
export class TokenGrid {
  readonly #net: Network;
  readonly #both: Node;
  readonly #batch: Node;
  /** int64 vector of one: how many tokens. */
  readonly tokens: Node;
  readonly #shapes = new Map<string, Node>();

  constructor(net: Network, ids: Node) {
    this.#net = net;
    this.#both = net.op('Shape', [ids]);
    this.#batch = net.slice(this.#both, 0, 1, 0);
    this.tokens = net.slice(this.#both, 1, 2, 0);
  }

  /** `x` as [batch, tokens, …widths]. */
  rows(x: Node, ...widths: number[]): Node {
    const shape = this.#shape(`rows ${widths.join()}`, () => [
      this.#both,
      this.#net.ints(...widths),
    ]);
    return this.#net.op('Reshape', [x, shape]);
  }

  /** `x` as [batch, …heads, tokens, width], or [batch, …heads, tokens, tokens]. */
  heads(x: Node, heads: readonly number[], width: number | 'tokens'): Node {
    const shape = this.#shape(`heads ${heads.join()} ${width}`, () => [
      this.#batch,
      this.#net.ints(...heads),
      this.tokens,
      width === 'tokens' ? this.tokens : this.#net.ints(width),
    ]);
    return this.#net.op('Reshape', [x, shape]);
  }

  #shape(key: string, parts: () => Node[]): Node {
    let shape = this.#shapes.get(key);
    if (shape === undefined) {
      shape = this.#net.op('Concat', parts(), { axis: 0 });
      this.#shapes.set(key, shape);
    }
    return shape;
  }
}
