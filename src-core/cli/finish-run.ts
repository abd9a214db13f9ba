import { toErrorData } from '../errors.ts';
import { writeReport } from '../recipe/report.ts';
import { exportResult } from '../results/export.ts';
import { defaultStorage } from '../results/locations.ts';
import { openStore, summarize } from '../results/store.ts';
import type { Result, RunSummary } from '../results/schema.ts';
import { text, type Invocation } from './command.ts';
import { showResult } from './show-result.ts';

/** Store a result, print it, and write the report; a result that cannot be stored is still shown. */
export async function finishRun(result: Result, invocation: Invocation): Promise<void> {
  const { flags, print, note } = invocation;
  const { run, problem } = storeRun(result);
  if (flags['json'] === true) print(JSON.stringify(result));
  else print(showResult(result));
  const html = text(flags['html']);
  if (html !== undefined) {
    await writeReport(html, await exportResult(run, result, 'html'));
    note(`report written to ${html}`);
  }
  if (problem !== undefined) note(`repscope: not stored: ${problem}`);
  else note(`stored as run ${run.id}`);
}

/** Keep a result; `problem` says why it is not kept, on one line. */
export function storeRun(result: Result): { run: RunSummary; problem?: string } {
  try {
    const runs = openStore(defaultStorage());
    try {
      return { run: runs.save(result) };
    } finally {
      runs.close();
    }
  } catch (error) {
    const { where, what, remedy } = toErrorData(error);
    return { run: summarize(result), problem: `${where}: ${what}; ${remedy}` };
  }
}
