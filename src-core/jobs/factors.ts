import { basename, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { readTable } from '../probes/table.ts';
import { openLabels, openMatrix } from '../tensor/matrix-file.ts';
import { openNpz } from '../tensor/npz.ts';

/**
 * Features of samples by name: the columns of a .csv or .tsv with a header or of a .jsonl, the
 * arrays of an .npz, the columns of a matrix (called 0, 1, …), or the one list of a file of labels.
 * @throws UserError where the file cannot be read, or lacks a value.
 */
export async function openFactors(spec: string, cwd: string): Promise<Map<string, string[]>> {
  const path = resolve(cwd, spec);
  if (/\.(csv|tsv|jsonl)$/i.test(path)) return fromTable(path);
  if (/\.npz$/i.test(path)) {
    const archive = await openNpz(path);
    await archive.close();
    const factors = new Map<string, string[]>();
    for (const key of archive.keys) factors.set(key, await openLabels(`${spec}#${key}`, cwd));
    return factors;
  }
  if (/\.npy$|\.npz#|\.safetensors#/i.test(spec)) {
    const columns = await fromMatrix(spec, cwd);
    if (columns) return columns;
  }
  return new Map([[basename(path).replace(/\..*$/, ''), await openLabels(spec, cwd)]]);
}

async function fromTable(path: string): Promise<Map<string, string[]>> {
  const { columns, rows } = await readTable(path);
  return new Map(
    columns.map((column) => [
      column,
      rows.map(({ values, where }) => {
        const value = values.get(column);
        if (typeof value === 'string' && value !== '') return value;
        if (typeof value === 'number' || typeof value === 'boolean') return String(value);
        throw new UserError(
          'wrong-shape',
          where,
          `has no value for ${column}`,
          'give every sample a value of every feature',
        );
      }),
    ]),
  );
}

/** Columns of an array of numbers of two axes; nothing where it is a list, or text. */
async function fromMatrix(spec: string, cwd: string): Promise<Map<string, string[]> | undefined> {
  const matrix = await openMatrix(spec, cwd).catch((error: unknown) => {
    if (error instanceof UserError && error.code === 'unsupported') return undefined;
    throw error;
  });
  if (matrix === undefined) return undefined;
  try {
    const { n, d } = matrix;
    if (d === 1) return undefined;
    const values = await matrix.rows(0, n);
    return new Map(
      Array.from({ length: d }, (_, j) => [
        String(j),
        Array.from({ length: n }, (_, i) => String(values[i * d + j])),
      ]),
    );
  } finally {
    await matrix.close();
  }
}
