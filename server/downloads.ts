import { Cancelled } from '@repscope/core/errors.ts';
import { downloadModel } from '@repscope/core/models/hub/download.ts';
import { planDownload, type DownloadPlan } from '@repscope/core/models/hub/plan.ts';
import type {
  DownloadParams,
  DownloadSizeParams,
} from '@repscope/core/protocol/language-server.ts';
import type { CancellationToken } from 'vscode-languageserver';
import type { ProgressReporter } from './progress.ts';

/** What a download would fetch. @throws UserError, Cancelled */
export async function downloadSize(
  { id, revision }: DownloadSizeParams,
  token: CancellationToken,
): Promise<DownloadPlan> {
  const abort = new AbortController();
  const stop = token.onCancellationRequested(() => abort.abort());
  try {
    return await planDownload(id, { revision, signal: abort.signal });
  } finally {
    stop.dispose();
  }
}

/** Downloads a model with progress that the user can cancel. @throws UserError, Cancelled */
export async function download(
  { id, revision, workDoneToken }: DownloadParams,
  reporter: ProgressReporter,
  token: CancellationToken,
): Promise<{ path: string }> {
  const progress = await reporter.begin(`Download ${id}`, workDoneToken, token);
  let outcome = 'failed';
  try {
    const path = await downloadModel(id, {
      revision,
      signal: progress.signal,
      onProgress: (report) => progress.report(report),
    });
    outcome = 'downloaded';
    return { path };
  } catch (error) {
    if (error instanceof Cancelled) outcome = 'cancelled';
    throw error;
  } finally {
    progress.end(outcome);
  }
}
