import { readFile } from 'node:fs/promises';
import { openBytes } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { Matrix } from './matrix.ts';

/** Text of this size parses into several times as much memory. */
const maxBytes = 2 ** 29;

/** The whole of a small text file. */
export async function readSmallFile(path: string): Promise<string> {
  const source = await openBytes(path);
  await source.close();
  if (source.size > maxBytes) {
    throw new UserError('unsupported', path, `is ${source.size} bytes of text`, 'save it as .npy');
  }
  return readFile(path, 'utf8');
}

/** @throws UserError `not-a-model` where the text is not JSON. */
export function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new UserError('not-a-model', path, 'is not valid JSON', 'save it again', error);
  }
}

/** An array of numbers with its shape; its rows are those of {@link Matrix}. */
export interface JsonArray {
  readonly shape: readonly number[];
  readonly matrix: Matrix;
}

/**
 * Reads an array of equally long rows of numbers in float64; a flat array of numbers is n × 1, and
 * rows may themselves be arrays of rows.
 * @throws UserError `wrong-shape`, `not-a-model`.
 */
export async function readJsonArray(path: string): Promise<JsonArray> {
  const wrong = (what: string) =>
    new UserError('wrong-shape', path, what, 'give an array of equally long rows of numbers');
  const value = parseJson(path, await readSmallFile(path));
  if (!Array.isArray(value) || value.length === 0) throw wrong('is not an array of rows');
  const shape: number[] = [];
  for (let item: unknown = value; Array.isArray(item); item = item[0]) shape.push(item.length);
  if (shape.length === 1) shape.push(1);
  const [n, ...rest] = shape as [number, ...number[]];
  const d = rest.reduce((product, size) => product * size, 1);
  if (d === 0) throw wrong('its rows are empty');
  const data = new Float64Array(n * d);
  let at = 0;
  const fill = (item: unknown, row: number, sizes: readonly number[]): void => {
    if (sizes.length === 0) {
      if (typeof item !== 'number') throw wrong(`row ${row} holds ${JSON.stringify(item)}`);
      data[at++] = item;
      return;
    }
    const items: unknown[] = Array.isArray(item) ? item : [item];
    if (items.length !== sizes[0]) {
      throw wrong(`row ${row} has ${items.length} values, the first has ${sizes[0]}`);
    }
    for (const inner of items) fill(inner, row, sizes.slice(1));
  };
  value.forEach((row: unknown, index) => fill(row, index + 1, rest));
  return { shape, matrix: new Matrix(n, d, data) };
}
