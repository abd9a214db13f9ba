import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { UserError } from '../errors.ts';
import type { MatrixFile } from '../tensor/matrix-file.ts';
import { assertSeveral } from './probe-kind.ts';
import { namesIn, type Columns, type Table } from './table.ts';
import type { FeedFacts } from './token-feed.ts';

/** Token ids of every sample. */
export interface TokenProbe extends Omit<FeedFacts, 'spec' | 'ids'> {
  tokens: readonly Int32Array[];
}

const maxId = 2 ** 31 - 1;
const isId = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maxId;

/** Whether a table's samples are lists of ids: it has a column `ids` and no texts. */
export const holdsIds = ({ columns }: Table) =>
  columns.includes('ids') && !columns.includes('text');

/**
 * The ids in the column `ids` of a `.jsonl` file; samples may differ in length.
 * @throws UserError `usage` naming the line without a list of ids.
 */
export function tokenProbeOf(table: Table, columns: Columns): TokenProbe {
  const ids = table.rows.map(({ values, where }) => {
    const list = values.get('ids');
    const remedy = 'write {"ids": [101, 2023, 102]} on each line';
    if (!Array.isArray(list) || list.length === 0) {
      throw new UserError('usage', where, 'has no list "ids"', remedy);
    }
    const wrong = list.find((id) => !isId(id)) as unknown;
    if (wrong !== undefined) {
      throw new UserError('usage', where, `${JSON.stringify(wrong)} is no token id`, remedy);
    }
    return Int32Array.from(list as number[]);
  });
  assertSeveral(ids.length, table.path, 'one sample', 'no sample');
  const labels = namesIn(table, 'label', columns);
  const groups = namesIn(table, 'group', columns);
  return {
    n: ids.length,
    tokens: ids,
    description: `${ids.length} samples of token ids of ${basename(table.path)}`,
    sha256: createHash('sha256')
      .update(JSON.stringify(ids.map((sample) => Array.from(sample))))
      .digest('hex'),
    ...(labels ? { labels } : {}),
    ...(groups ? { groups } : {}),
  };
}

/** Rows of a matrix as ids. @throws UserError `wrong-shape` naming the row that holds something else. */
export async function idsOfMatrix(matrix: MatrixFile): Promise<Int32Array[]> {
  const { n, d, label } = matrix;
  const values = await matrix.rows(0, n);
  const bad = values.findIndex((value) => !isId(value));
  if (bad >= 0) {
    throw new UserError(
      'wrong-shape',
      label,
      `row ${Math.floor(bad / d) + 1} holds ${values[bad]!}, which is no token id`,
      'give whole numbers from 0',
    );
  }
  return Array.from({ length: n }, (_, row) =>
    Int32Array.from(values.subarray(row * d, (row + 1) * d)),
  );
}
