import { stopIfAborted, type ByteSource } from '../bytes/byte-source.ts';

/** A multiple of every element size. */
const pageBytes = 1 << 14;
/** 64 MiB in all. */
const maxPages = 4096;

interface Place {
  page: Uint8Array;
  /** Within the page. */
  position: number;
}

/** Bytes read in any order, a page at a time; the pages read longest ago are forgotten. */
export class PagedBytes {
  readonly #source: ByteSource;
  readonly #pages = new Map<number, Uint8Array>();

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** A copy of `length` bytes from `offset`. */
  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    if (length > pageBytes || offset < 0 || offset + length > this.#source.size) {
      return this.#source.read(offset, length, signal);
    }
    const result = new Uint8Array(length);
    for (let filled = 0; filled < length;) {
      const at = offset + filled;
      const { page, position } = this.cached(at) ?? (await this.load(at, signal));
      const part = page.subarray(position, position + length - filled);
      result.set(part, filled);
      filled += part.length;
    }
    return result;
  }

  /** Where byte `offset` is, if its page is at hand. */
  cached(offset: number): Place | undefined {
    const page = this.#pages.get(Math.floor(offset / pageBytes));
    return page && { page, position: offset % pageBytes };
  }

  /** Where byte `offset` is, after its page was read. */
  async load(offset: number, signal?: AbortSignal): Promise<Place> {
    stopIfAborted(signal);
    const number = Math.floor(offset / pageBytes);
    const start = number * pageBytes;
    const size = Math.min(pageBytes, this.#source.size - start);
    const page = await this.#source.read(start, size, signal);
    const oldest = this.#pages.keys().next();
    if (this.#pages.size >= maxPages && !oldest.done) this.#pages.delete(oldest.value);
    this.#pages.set(number, page);
    return { page, position: offset % pageBytes };
  }
}
