import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { parse } from 'csv-parse/sync';
import { statFile } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { defaultSentences } from './default-text.ts';

/** Texts to feed a model, with labels where the set has them. */
export interface TextProbe {
  /** `default`, or the path of the file. */
  spec: string;
  /** One line for people. */
  description: string;
  texts: string[];
  /** One for each text. */
  labels?: string[];
  /** Of the texts (not the labels): decides, with the model, what the activations are. */
  sha256: string;
}

interface Sample {
  text: string;
  label?: string;
}

/** The embedded set: 160 labelled English sentences. */
export function defaultTextProbe(): TextProbe {
  const topics = Object.entries(defaultSentences);
  const samples = topics.flatMap(([label, texts]) => texts.map((text) => ({ text, label })));
  const names = topics.map(([label]) => label).join(', ');
  return probe(
    'default',
    `${samples.length} English sentences on ${topics.length} topics (${names})`,
    samples,
  );
}

/**
 * Texts from a file: `.txt` one a line, `.jsonl` objects with `text` and perhaps `label`, `.csv` with
 * a header that has those columns. Blank lines are skipped.
 *
 * @throws UserError `missing`, `directory`, `empty`, `usage` (no text field), `too-few-samples`.
 */
export async function readTextProbe(path: string): Promise<TextProbe> {
  const extension = extname(path).toLowerCase();
  const read = Object.hasOwn(readers, extension) ? readers[extension] : undefined;
  if (read === undefined) {
    throw new UserError('usage', path, 'is not a text probe', 'use a .txt, .jsonl or .csv file');
  }
  const stats = await statFile(path);
  if (stats.isDirectory()) {
    throw new UserError('directory', path, 'is a folder', 'name a .txt, .jsonl or .csv file');
  }
  const content = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '');
  if (content.trim() === '') {
    throw new UserError('empty', path, 'holds no text', 'write one text a line');
  }
  const samples = read(path, content);
  if (samples.length < 2) {
    throw new UserError(
      'too-few-samples',
      path,
      `holds ${samples.length === 1 ? 'one text' : 'no text'}`,
      'give at least 2, better some hundreds',
    );
  }
  return probe(path, `${samples.length} texts of ${basename(path)}`, samples);
}

function probe(spec: string, description: string, samples: readonly Sample[]): TextProbe {
  const texts = samples.map(({ text }) => text);
  const labels = samples.flatMap(({ label }) => (label === undefined ? [] : [label]));
  const sha256 = createHash('sha256').update(JSON.stringify(texts)).digest('hex');
  const labelled = labels.length === samples.length ? { labels } : {};
  return { spec, description, texts, ...labelled, sha256 };
}

const readers: Readonly<Record<string, (path: string, content: string) => Sample[]>> = {
  '.txt': (_path, content) => lines(content).map(({ text }) => ({ text })),
  '.jsonl': (path, content) =>
    lines(content).map(({ text, number }) => jsonLine(path, text, number)),
  '.csv': csv,
};

/** Lines that are not blank, with their numbers from 1. */
const lines = (content: string) =>
  content
    .split(/\r?\n/)
    .map((text, index) => ({ text, number: index + 1 }))
    .filter(({ text }) => text.trim() !== '');

function jsonLine(path: string, line: string, number: number): Sample {
  const where = `${path}:${number}`;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new UserError('usage', where, 'is not valid JSON', 'write one JSON object a line', error);
  }
  const { text, label } = (value ?? {}) as { text?: unknown; label?: unknown };
  if (typeof text !== 'string') {
    throw new UserError('usage', where, 'has no "text" string', 'write {"text": …} on each line');
  }
  const named = typeof label === 'string' || typeof label === 'number';
  return { text, ...(named ? { label: String(label) } : {}) };
}

function csv(path: string, content: string): Sample[] {
  let rows: Record<string, string>[];
  try {
    rows = parse(content, { columns: true, skip_empty_lines: true, trim: false });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(
      'usage',
      path,
      `is not sound CSV (${reason})`,
      'quote fields that hold commas',
      error,
    );
  }
  return rows.map(({ text, label }) => {
    if (text === undefined) {
      throw new UserError(
        'usage',
        path,
        'has no column called text',
        'name the columns in its first line',
      );
    }
    return { text, ...(label === undefined || label === '' ? {} : { label }) };
  });
}
