import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { knownAnalysis } from '../analyses/known.ts';
import { UserError } from '../errors.ts';
import { headlineOf } from './headline.ts';
import { resultSchema, type Result, type RunSummary } from './schema.ts';

const schemaVersion = 1;
const columns = 'id, created, analysis, uris, headline, warnings, elapsed_ms, device';

/** Finished runs in one SQLite file. Each save is one transaction: a run is stored whole or not. */
export class RunStore {
  readonly #database: DatabaseSync;
  readonly #file: string;

  constructor(folder: string) {
    this.#file = join(folder, 'runs.sqlite');
    try {
      mkdirSync(folder, { recursive: true });
      this.#database = new DatabaseSync(this.#file, { timeout: 5000 });
      this.#migrate();
    } catch (error) {
      throw storageError(this.#file, error);
    }
  }

  #migrate(): void {
    const row = this.#database.prepare('PRAGMA user_version').get();
    const found = Number(row?.['user_version'] ?? 0);
    if (found > schemaVersion) {
      throw new UserError(
        'unwritable',
        this.#file,
        `written by a newer Repscope (schema ${found})`,
        'update Repscope or name another folder in REPSCOPE_STORAGE',
      );
    }
    this.#database.exec(`
      CREATE TABLE IF NOT EXISTS runs (
        id TEXT PRIMARY KEY, created TEXT NOT NULL, analysis TEXT NOT NULL, uris TEXT NOT NULL,
        headline TEXT NOT NULL, warnings INTEGER NOT NULL, elapsed_ms REAL NOT NULL,
        device TEXT NOT NULL, result TEXT NOT NULL
      ) STRICT;
      CREATE INDEX IF NOT EXISTS runs_by_time ON runs (created DESC);
      PRAGMA user_version = ${schemaVersion};
    `);
  }

  /** @throws UserError `unwritable` or `disk-full`; the result is then not stored at all. */
  save(result: Result): RunSummary {
    const run = summarize(result);
    try {
      this.#database
        .prepare(`INSERT INTO runs (${columns}, result) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
        .run(
          run.id,
          run.created,
          run.analysis,
          JSON.stringify(run.uris),
          run.headline,
          run.warnings,
          run.elapsedMs,
          run.device,
          JSON.stringify(result),
        );
    } catch (error) {
      throw storageError(this.#file, error);
    }
    return run;
  }

  /** Newest first. */
  list(): RunSummary[] {
    const rows = this.#database.prepare(
      `SELECT ${columns} FROM runs ORDER BY created DESC, rowid DESC`,
    );
    return rows.all().map(toSummary);
  }

  /** By id or by an unambiguous beginning of one. */
  get(id: string): { run: RunSummary; result: Result } | undefined {
    const rows = this.#database
      .prepare(`SELECT ${columns}, result FROM runs WHERE substr(id, 1, ?) = ? LIMIT 2`)
      .all(id.length, id);
    const row = rows.length === 1 ? rows[0] : undefined;
    if (id === '' || !row) return undefined;
    return { run: toSummary(row), result: resultSchema.parse(JSON.parse(String(row['result']))) };
  }

  delete(id: string): void {
    this.#database.prepare('DELETE FROM runs WHERE id = ?').run(id);
  }

  close(): void {
    this.#database.close();
  }
}

export function openStore(folder: string): RunStore {
  return new RunStore(folder);
}

/** A summary with a new id, of a result that may or may not get stored. */
export function summarize(result: Result): RunSummary {
  return {
    id: randomUUID().slice(0, 8),
    created: new Date().toISOString(),
    analysis: result.analysis,
    uris: [...new Set(result.inputs.map((input) => input.uri))],
    headline: headlineOf(result, knownAnalysis(result.analysis).headline),
    warnings: result.warnings.length,
    elapsedMs: result.elapsedMs,
    device: result.device,
  };
}

function toSummary(row: Record<string, unknown>): RunSummary {
  return {
    id: String(row['id']),
    created: String(row['created']),
    analysis: String(row['analysis']),
    uris: JSON.parse(String(row['uris'])) as string[],
    headline: String(row['headline']),
    warnings: Number(row['warnings']),
    elapsedMs: Number(row['elapsed_ms']),
    device: String(row['device']),
  };
}

function storageError(file: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (/ENOSPC|disk is full|full/i.test(reason)) {
    return new UserError('disk-full', file, 'no space left on the disk', 'free some space', error);
  }
  return new UserError(
    'unwritable',
    file,
    `runs cannot be stored here (${reason})`,
    'name a writable folder in REPSCOPE_STORAGE',
    error,
  );
}
