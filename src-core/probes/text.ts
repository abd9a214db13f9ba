import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { UserError } from '../errors.ts';
import { defaultSentences } from './default-text.ts';
import { assertSeveral } from './probe-kind.ts';
import { namesIn, readTable, requireColumn, type Columns, type Table } from './table.ts';

/** Texts to feed a model, with labels and groups where the set has them. */
export interface TextProbe {
  /** `default`, or the path of the file. */
  spec: string;
  /** One line for people. */
  description: string;
  texts: string[];
  /** One for each text. */
  labels?: string[];
  /** One for each text. */
  groups?: string[];
  /** Of the texts (not the labels): decides, with the model, what the activations are. */
  sha256: string;
}

/** The embedded set: 160 labelled English sentences. */
export function defaultTextProbe(): TextProbe {
  const topics = Object.entries(defaultSentences);
  const texts = topics.flatMap(([, sentences]) => sentences);
  const names = topics.map(([label]) => label).join(', ');
  return {
    spec: 'default',
    description: `${texts.length} English sentences on ${topics.length} topics (${names})`,
    texts,
    labels: topics.flatMap(([label, sentences]) => sentences.map(() => label)),
    sha256: hashOf(texts),
  };
}

/**
 * Texts from a file: `.txt` one a line, `.jsonl`, `.csv` and `.tsv` with a column `text` and perhaps
 * `label` and `group`, or with the columns that are named.
 *
 * @throws UserError as {@link readTable}, `usage` where there is no text, and `too-few-samples`.
 */
export async function readTextProbe(path: string, columns: Columns = {}): Promise<TextProbe> {
  return textProbeOf(await readTable(path), columns);
}

/** The texts of a table. */
export function textProbeOf(table: Table, columns: Columns): TextProbe {
  const column = columns.text ?? 'text';
  const { path, rows } = table;
  if (!/\.jsonl$/i.test(path) || columns.text !== undefined) requireColumn(table, column);
  const texts = rows.map(({ values, where }) => {
    const text = values.get(column);
    if (typeof text === 'string') return text;
    throw new UserError(
      'usage',
      where,
      `has no "${column}" string${fieldsOf(values)}`,
      `write {"${column}": …} on each line`,
    );
  });
  assertSeveral(texts.length, path, 'one text', 'no text');
  const labels = namesIn(table, 'label', columns);
  const groups = namesIn(table, 'group', columns);
  return {
    spec: path,
    description: `${texts.length} texts of ${basename(path)}`,
    texts,
    ...(labels ? { labels } : {}),
    ...(groups ? { groups } : {}),
    sha256: hashOf(texts),
  };
}

const fieldsOf = (values: ReadonlyMap<string, unknown>) =>
  values.size === 0 ? '' : ` (it has ${[...values.keys()].slice(0, 20).join(', ')})`;

const hashOf = (texts: readonly string[]) =>
  createHash('sha256').update(JSON.stringify(texts)).digest('hex');
