import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SafetensorsWriter } from '../tensor/safetensors.ts';
import { Matrix, type RowSource } from '../tensor/matrix.ts';
import { openMatrix } from '../tensor/matrix-file.ts';

/** Takes n × d float32 rows in order, then gives them back as a row source. */
export interface RowSink {
  write(rows: Float32Array): Promise<void>;
  finish(): Promise<RowSource>;
  /** Leave nothing behind. */
  abort(): Promise<void>;
}

async function openWriter(path: string, n: number, d: number): Promise<SafetensorsWriter> {
  await mkdir(dirname(path), { recursive: true });
  return SafetensorsWriter.create(path, [{ name: 'rows', dtype: 'float32', shape: [n, d] }]);
}

/** Rows in memory, kept on disk too where there is a path; failing to keep them is a warning. */
export class MemorySink implements RowSink {
  readonly #matrix: Matrix;
  readonly #path: string | undefined;
  readonly #warn: (message: string) => void;
  #filled = 0;

  constructor(n: number, d: number, path: string | undefined, warn: (message: string) => void) {
    this.#matrix = new Matrix(n, d, new Float32Array(n * d));
    this.#path = path;
    this.#warn = warn;
  }

  write(rows: Float32Array): Promise<void> {
    this.#matrix.data.set(rows, this.#filled);
    this.#filled += rows.length;
    return Promise.resolve();
  }

  async finish(): Promise<RowSource> {
    const { n, d, data } = this.#matrix;
    if (this.#path !== undefined) {
      try {
        const writer = await openWriter(this.#path, n, d);
        try {
          await writer.write(data);
          await writer.finish();
        } catch (error) {
          await writer.abort();
          throw error;
        }
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#warn(`activations are not kept for the next analysis: ${reason}`);
      }
    }
    return this.#matrix;
  }

  abort(): Promise<void> {
    return Promise.resolve();
  }
}

/** Rows on disk alone, for what passes the memory bound. */
export class FileSink implements RowSink {
  readonly #path: string;
  readonly #writer: SafetensorsWriter;

  private constructor(path: string, writer: SafetensorsWriter) {
    this.#path = path;
    this.#writer = writer;
  }

  static async open(n: number, d: number, path: string): Promise<FileSink> {
    return new FileSink(path, await openWriter(path, n, d));
  }

  write(rows: Float32Array): Promise<void> {
    return this.#writer.write(rows);
  }

  async finish(): Promise<RowSource> {
    await this.#writer.finish();
    return openMatrix(`${this.#path}#rows`, dirname(this.#path));
  }

  abort(): Promise<void> {
    return this.#writer.abort();
  }
}
