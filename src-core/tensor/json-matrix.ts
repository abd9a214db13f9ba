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

/**
 * Reads an array of equally long rows of numbers as a float64 matrix; a flat array of numbers is
 * n × 1.
 * @throws UserError `wrong-shape`, `not-a-model`.
 */
export async function readJsonMatrix(path: string): Promise<Matrix> {
  const wrong = (what: string) =>
    new UserError('wrong-shape', path, what, 'give an array of equally long rows of numbers');
  const value = parseJson(path, await readSmallFile(path));
  if (!Array.isArray(value) || value.length === 0) throw wrong('is not an array of rows');
  const rows = value.map((row: unknown): unknown[] => (Array.isArray(row) ? row : [row]));
  const d = rows[0]!.length;
  const data = new Float64Array(rows.length * d);
  rows.forEach((row, i) => {
    if (row.length !== d) throw wrong(`row ${i + 1} has ${row.length} values, the first has ${d}`);
    row.forEach((item, j) => {
      if (typeof item !== 'number') throw wrong(`row ${i + 1} holds ${JSON.stringify(item)}`);
      data[i * d + j] = item;
    });
  });
  if (d === 0) throw wrong('its rows are empty');
  return new Matrix(rows.length, d, data);
}
