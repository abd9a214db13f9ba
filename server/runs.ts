import { UserError } from '@repscope/core/errors.ts';
import type { RunAnswer } from '@repscope/core/protocol/language-server.ts';
import type { Result, RunSummary } from '@repscope/core/results/schema.ts';
import { openStore, summarize, type RunStore } from '@repscope/core/results/store.ts';

/** Finished runs: the stored ones, and those of this session that could not be stored. */
export class Runs {
  readonly #folder: string;
  readonly #unsaved = new Map<string, RunAnswer>();
  #store: RunStore | undefined;
  #listed: RunSummary[] | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Newest first.
   * @throws UserError where the store cannot be opened and no run of this session is at hand.
   */
  list(): RunSummary[] {
    const unsaved = [...this.#unsaved.values()].map(({ run }) => run).reverse();
    try {
      this.#listed = [...unsaved, ...this.#open().list()];
    } catch (error) {
      if (unsaved.length === 0) throw error;
      this.#listed = unsaved;
    }
    return this.#listed;
  }

  /** The newest run of each analysis that had the model at `path` as an input, newest first. */
  latest(path: string): RunSummary[] {
    const newest = new Map<string, RunSummary>();
    for (const run of this.#listed ?? this.#listOrNone()) {
      if (run.uris.includes(path) && !newest.has(run.analysis)) newest.set(run.analysis, run);
    }
    return [...newest.values()];
  }

  /** Undefined for a run that was deleted meanwhile, by another process for instance. */
  find(id: string): RunAnswer | undefined {
    return this.#unsaved.get(id) ?? this.#open().get(id);
  }

  /** @throws UserError `missing` */
  get(id: string): RunAnswer {
    const found = this.find(id);
    if (!found) {
      throw new UserError(
        'missing',
        `run ${id}`,
        'no such run',
        'choose one from the list of runs',
      );
    }
    return found;
  }

  /** Never fails: a result that cannot be stored is kept for this session, with the reason. */
  save(result: Result): RunAnswer {
    this.#listed = undefined;
    try {
      return { run: this.#open().save(result), result };
    } catch (error) {
      const run = summarize(result);
      const storeProblem = error instanceof Error ? error.message : String(error);
      const answer = { run, result, storeProblem };
      this.#unsaved.set(run.id, answer);
      return answer;
    }
  }

  delete(id: string): void {
    this.#listed = undefined;
    if (!this.#unsaved.delete(id)) this.#open().delete(id);
  }

  close(): void {
    this.#store?.close();
    this.#store = undefined;
  }

  /** A store that could not be opened is tried again the next time. */
  #open(): RunStore {
    return (this.#store ??= openStore(this.#folder));
  }

  #listOrNone(): RunSummary[] {
    try {
      return this.list();
    } catch {
      // Lenses and hovers go without last values; the list of runs shows the reason.
      return (this.#listed = []);
    }
  }
}
