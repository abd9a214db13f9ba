import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** What wasm/kernels.as.ts exports; addresses and strides in bytes. */
interface Kernels {
  tridiagonalise(
    matrix: number,
    stride: number,
    from: number,
    to: number,
    vectors: number,
    d: number,
    e: number,
    taus: number,
  ): void;
  bidiagonalise(
    matrix: number,
    stride: number,
    m: number,
    n: number,
    from: number,
    to: number,
    wide: number,
    tall: number,
    d: number,
    e: number,
    left: number,
    reach: number,
    right: number,
    taus: number,
  ): void;
  factorPanel(
    vectors: number,
    stride: number,
    count: number,
    first: number,
    m: number,
    diagonal: number,
    taus: number,
  ): void;
}

interface Memory {
  readonly buffer: ArrayBuffer;
  /** By pages; views of the buffer end. */
  grow(pages: number): void;
}

/** What Node.js has of WebAssembly, as far as used here: its types leave it to those of browsers. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Memory: new (descriptor: { initial: number }) => Memory;
  Instance: new (module: object, imports: { env: { memory: Memory } }) => { exports: unknown };
};

const pageBytes = 65536;
/** Memory up to this stays for the next job. */
const keptPages = 512;

let compiled: object | undefined;
let kept: { memory: Memory; kernels: Kernels } | undefined;

function instantiate(pages: number) {
  if (compiled === undefined) {
    // Beside the bundle, or beside the source.
    const beside = fileURLToPath(new URL('kernels.wasm', import.meta.url));
    const source = fileURLToPath(new URL('wasm/kernels.wasm', import.meta.url));
    compiled = new WebAssembly.Module(readFileSync(existsSync(beside) ? beside : source));
  }
  const memory = new WebAssembly.Memory({ initial: pages });
  const instance = new WebAssembly.Instance(compiled, { env: { memory } });
  return { memory, kernels: instance.exports as Kernels };
}

/** Arrays inside the memory of the WebAssembly kernels. Views end with `release`. */
export class Workspace {
  readonly kernels: Kernels;
  readonly #memory: Memory;
  #end = 0;

  /**
   * For arrays of `lengths` doubles in all.
   * @throws RangeError where there is no such memory.
   */
  constructor(lengths: readonly number[]) {
    const doubles = lengths.reduce((sum, length) => sum + length + (length % 2), 0);
    const pages = Math.ceil((doubles * Float64Array.BYTES_PER_ELEMENT) / pageBytes) + 1;
    const instance = kept ?? instantiate(pages);
    kept = undefined;
    const missing = pages - instance.memory.buffer.byteLength / pageBytes;
    if (missing > 0) instance.memory.grow(missing);
    this.#memory = instance.memory;
    this.kernels = instance.kernels;
  }

  /** Doubles at an address that is a multiple of 16, all zero. */
  array(length: number): { address: number; data: Float64Array } {
    const address = this.#end;
    this.#end += (length + (length % 2)) * Float64Array.BYTES_PER_ELEMENT;
    return { address, data: new Float64Array(this.#memory.buffer, address, length).fill(0) };
  }

  release(): void {
    if (this.#memory.buffer.byteLength / pageBytes <= keptPages)
      kept = { memory: this.#memory, kernels: this.kernels };
  }
}
