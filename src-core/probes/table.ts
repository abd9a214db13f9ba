import { readFile } from 'node:fs/promises';
import { parse } from 'csv-parse/sync';
import { statFile } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { formatBytes } from '../results/format.ts';

/** Fields that say what a sample is; each has a column of its own name unless told otherwise. */
export const fields = ['text', 'label', 'group'] as const;
export type Field = (typeof fields)[number];
/** The columns that the user named. */
export type Columns = Partial<Record<Field, string>>;

/** A sample's fields by column, and where it stands. */
export interface TableRow {
  values: ReadonlyMap<string, unknown>;
  /** `FILE:LINE` where the line is known, else the file. */
  where: string;
}

/** The samples of a text file. */
export interface Table {
  path: string;
  /** Columns of all rows, in the order of their first appearance. */
  columns: readonly string[];
  rows: readonly TableRow[];
}

const endings = /\.(txt|jsonl|csv|tsv)$/i;

/** Larger files would not fit in one string. */
const maxBytes = 2 ** 28;

/**
 * The parts of `FILE#text=COLUMN&label=COLUMN&group=COLUMN`, undefined where `spec` names no such
 * file.
 * @throws UserError `usage` for other words behind the `#`.
 */
export function parseTableSpec(spec: string): { path: string; columns: Columns } | undefined {
  const at = spec.lastIndexOf('#');
  const [path, options] = at < 0 ? [spec, ''] : [spec.slice(0, at), spec.slice(at + 1)];
  if (!endings.test(path)) return undefined;
  const columns: Columns = {};
  for (const option of options === '' ? [] : options.split('&')) {
    const equals = option.indexOf('=');
    const field = fields.find((name) => name === option.slice(0, equals));
    if (field === undefined || equals === option.length - 1) {
      throw new UserError(
        'usage',
        `probe '${spec}'`,
        `'${option}' does not name a column`,
        'write e.g. reviews.csv#text=body&label=stars&group=author',
      );
    }
    columns[field] = option.slice(equals + 1);
  }
  return { path, columns };
}

/**
 * Reads `.txt` (one text a line), `.jsonl` (an object a line), `.csv` and `.tsv` (with a header).
 * Blank lines are skipped, and remarks: lines of `.jsonl` that begin with `//`, and lines before the
 * header of a table that begin with `# `.
 *
 * @throws UserError `missing`, `directory`, `empty`, `unsupported` (not UTF-8, too large), `usage`
 * (not of its kind).
 */
export async function readTable(path: string): Promise<Table> {
  const ending = endings.exec(path)?.[1]?.toLowerCase();
  if (ending === undefined) {
    throw new UserError(
      'usage',
      path,
      'is not a text probe',
      'use a .txt, .jsonl, .csv or .tsv file',
    );
  }
  const content = await readText(path);
  return tableOf(path, ending, content);
}

async function readText(path: string): Promise<string> {
  const stats = await statFile(path);
  if (stats.isDirectory()) {
    throw new UserError('directory', path, 'is a folder', 'name a .txt, .jsonl, .csv or .tsv file');
  }
  if (stats.size > maxBytes) {
    throw new UserError(
      'unsupported',
      path,
      `has ${formatBytes(stats.size)}, more than the ${formatBytes(maxBytes)} that a text probe may have`,
      'take a sample of it',
    );
  }
  const bytes = await readFile(path);
  let content: string;
  try {
    content = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new UserError('unsupported', path, 'is not UTF-8', 'save it as UTF-8', error);
  }
  if (content.trim() === '') {
    throw new UserError('empty', path, 'holds no text', 'write one text a line');
  }
  return content;
}

function tableOf(path: string, ending: string, content: string): Table {
  switch (ending) {
    case 'txt':
      return {
        path,
        columns: ['text'],
        rows: lines(content).map(({ text, number }) => ({
          values: new Map([['text', text]]),
          where: `${path}:${number}`,
        })),
      };
    case 'jsonl': {
      const rows = lines(content)
        .filter(({ text }) => !text.trimStart().startsWith('//'))
        .map(({ text, number }) => jsonLine(`${path}:${number}`, text));
      const columns = new Set(rows.flatMap(({ values }) => [...values.keys()]));
      return { path, columns: [...columns], rows };
    }
    default:
      return separated(path, withoutRemarks(content), ending === 'tsv' ? '\t' : ',');
  }
}

/** Without the lines before the header that begin with `# `. */
const withoutRemarks = (content: string) => content.replace(/^(# [^\n]*\n)+/, '');

/** Lines that are not blank, with their numbers from 1. */
const lines = (content: string) =>
  content
    .split(/\r?\n/)
    .map((text, index) => ({ text, number: index + 1 }))
    .filter(({ text }) => text.trim() !== '');

function jsonLine(where: string, line: string): TableRow {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new UserError('usage', where, 'is not valid JSON', 'write one JSON object a line', error);
  }
  const object = typeof value === 'object' && !Array.isArray(value) ? value : null;
  return { values: new Map(Object.entries(object ?? {})), where };
}

function separated(path: string, content: string, delimiter: string): Table {
  let records: string[][];
  try {
    records = parse(content, { delimiter, skip_empty_lines: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(
      'usage',
      path,
      `is not sound ${delimiter === ',' ? 'CSV' : 'TSV'} (${reason})`,
      `quote fields that hold ${delimiter === ',' ? 'commas' : 'tabs'}`,
      error,
    );
  }
  const [columns = [], ...rows] = records;
  return {
    path,
    columns,
    rows: rows.map((record) => ({
      values: new Map(columns.map((column, index) => [column, record[index]])),
      where: path,
    })),
  };
}

/**
 * The labels or groups of all rows. Where the user named no column they are taken only if every row
 * has one.
 * @throws UserError `usage` where the named column is absent, or empty in some row.
 */
export function namesIn(
  table: Table,
  field: 'label' | 'group',
  columns: Columns,
): string[] | undefined {
  const column = columns[field] ?? field;
  if (columns[field] !== undefined) requireColumn(table, column);
  const names = table.rows.map(({ values }) => nameOf(values.get(column)));
  const missing = names.filter((name) => name === undefined).length;
  if (missing === 0) return names as string[];
  if (columns[field] === undefined) return undefined;
  throw new UserError(
    'usage',
    table.path,
    `${missing} of ${names.length} rows have no ${field} in column ${column}`,
    `give every row one, or none`,
  );
}

function nameOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** @throws UserError `usage` that lists the columns there are. */
export function requireColumn({ path, columns }: Table, column: string): void {
  if (columns.includes(column)) return;
  const shown = columns.slice(0, 20).join(', ') + (columns.length > 20 ? ', …' : '');
  throw new UserError(
    'usage',
    path,
    `has no column called ${column}; it has ${shown === '' ? 'none' : shown}`,
    `name the column, as in FILE#text=${columns[0] ?? 'COLUMN'}`,
  );
}
