import type { ByteSource } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { PagedBytes } from './paged-bytes.ts';

export const maxObjects = 100_000;
/** Bytes of structure; a few hundred a dataset are usual. */
const maxStructure = 256 << 20;

/** An address that means "nowhere". */
export const noAddress = 0xffff_ffff_ffff_ffffn;

/** Reads structure and keeps count of it, so that a hostile file cannot ask for it without end. */
export class Structure {
  readonly source: ByteSource;
  readonly #pages: PagedBytes;
  #left = maxStructure;
  /** Blocks of structure met so far; each has one place in the tree. */
  readonly #seen = new Set<number>();

  constructor(source: ByteSource) {
    this.source = source;
    this.#pages = new PagedBytes(source);
  }

  damaged(what: string): UserError {
    return new UserError(
      'not-a-model',
      this.source.label,
      `is not a sound HDF5 file: ${what}`,
      'download or save it again',
    );
  }

  unsupported(what: string): UserError {
    return new UserError(
      'unsupported',
      this.source.label,
      what,
      'save the weights again with Keras or h5py as they save by default',
    );
  }

  async read(offset: number, length: number): Promise<DataView> {
    this.#left -= length;
    if (this.#left < 0) throw this.damaged('its structure has no end');
    const bytes = await this.#pages.read(offset, length);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** An address or size as a number. */
  number(value: bigint): number {
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.damaged(`an address of ${value}`);
    return Number(value);
  }

  /** Whether this block is met for the first time. */
  enter(address: number): boolean {
    if (this.#seen.has(address)) return false;
    this.#seen.add(address);
    if (this.#seen.size > maxObjects * 4) throw this.damaged('its structure has no end');
    return true;
  }
}
