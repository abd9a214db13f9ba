import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UserError } from '@repscope/core/errors.ts';
import { openStore } from '@repscope/core/results/store.ts';
import { smallFileSystem, temporaryFolder } from '../support/folders.ts';
import { makeResult } from '../support/results.ts';

const errorOf = (act: () => unknown): UserError => {
  try {
    act();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('the run store', () => {
  it('gives back what it was given, newest first, also after reopening', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const first = store.save(makeResult());
    const second = store.save(makeResult({ values: { cka: [[1, null]] }, warnings: ['bias'] }));
    store.close();

    const again = openStore(folder);
    expect(again.list().map((run) => run.id)).toEqual([second.id, first.id]);
    expect(again.get(second.id)?.result.values).toEqual({ cka: [[1, null]] });
    expect(again.list()[0]).toMatchObject({ warnings: 1, uris: ['a.npy', 'b.npy'] });
    expect(again.list()[1]?.headline).toBe('cka 0.5');
    again.close();
  });

  it('finds a run by the beginning of its id, and none by an empty one', () => {
    const store = openStore(temporaryFolder());
    const run = store.save(makeResult());
    expect(store.get(run.id.slice(0, 5))?.run.id).toBe(run.id);
    expect(store.get('')).toBeUndefined();
    expect(store.get('zzzz')).toBeUndefined();
    store.delete(run.id);
    expect(store.list()).toEqual([]);
    store.close();
  });

  it('names the file and the way out where it cannot write', () => {
    const blocked = join(temporaryFolder(), 'file');
    writeFileSync(blocked, '');
    const error = errorOf(() => openStore(join(blocked, 'below')));
    expect(error.code).toBe('unwritable');
    expect(error.message).toContain('REPSCOPE_STORAGE');
  });

  it('refuses a file that is no database', () => {
    const folder = temporaryFolder();
    writeFileSync(
      join(folder, 'runs.sqlite'),
      'not a database, but long enough to look at'.repeat(9),
    );
    expect(errorOf(() => openStore(folder)).where).toContain('runs.sqlite');
  });

  it('stores nothing half on a full disk', (context) => {
    const folder = smallFileSystem(96);
    if (folder === undefined)
      return context.skip('mounting a small file system is not allowed here');
    const store = openStore(folder);
    const kept = store.save(makeResult());
    const large = makeResult({ values: { perPoint: Array.from({ length: 20_000 }, Math.random) } });
    expect(errorOf(() => store.save(large)).code).toBe('disk-full');
    expect(store.list().map((run) => run.id)).toEqual([kept.id]);
    store.close();
    expect(existsSync(join(folder, 'runs.sqlite-journal')) && readdirSync(folder).length > 1).toBe(
      false,
    );
  });
});
