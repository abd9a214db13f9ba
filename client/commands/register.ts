import {
  commands as protocolCommands,
  type AnalyzeParams,
  type CompareParams,
} from '@repscope/core/protocol/language-server.ts';
import { Cancelled, UserError } from '@repscope/core/errors.ts';
import type { RunSummary } from '@repscope/core/results/schema.ts';
import * as vscode from 'vscode';
import { readableError } from '../errors.ts';
import { showFailure } from '../failure.ts';
import type { Services } from '../services.ts';
import type { ModelNode } from '../views/models.ts';
import { analyzeModel, compareModels, runAnalysis, runComparison } from './analyze.ts';
import { selectDevice } from './device.ts';
import { cancelAnalysis } from './cancel.ts';
import { downloadModel } from './download.ts';
import { inspectModel, revealModel } from './inspect.ts';
import { newProbeSet } from './new-probe.ts';
import { runRecipe } from './recipe.ts';
import { deleteRun, exportReport, showRun } from './runs.ts';

/** Where a command may come from: a lens or page (path), the explorer (URI), a tree (node). */
type ModelArgument = string | vscode.Uri | ModelNode | undefined;
type RunArgument = string | RunSummary | undefined;

/** Registers every command of the manifest. A command that fails tells the user in one line. */
export function registerCommands(services: Services): vscode.Disposable {
  const { log, server, models } = services;

  const table: Record<string, (...args: never[]) => unknown> = {
    [protocolCommands.analyzeModel]: (model: ModelArgument) => {
      requireTrust();
      return analyzeModel(services, modelPath(model));
    },
    [protocolCommands.compareModels]: (model: ModelArgument, others?: unknown) => {
      requireTrust();
      return compareModels(services, modelPath(model), secondModel(model, others));
    },
    'repscope.runRecipe': (uri?: vscode.Uri) => {
      requireTrust();
      return runRecipe(services, uri);
    },
    [protocolCommands.downloadModel]: (id?: string) => downloadModel(services, id),
    [protocolCommands.showRun]: (run: RunArgument) => showRun(services, runId(run)),
    'repscope.showRuns': () => vscode.commands.executeCommand('repscope.runs.focus'),
    'repscope.exportReport': (run: RunArgument) => exportReport(services, runId(run)),
    'repscope.deleteRun': (run: RunArgument) => deleteRun(services, runId(run)),
    'repscope.newProbeSet': () => newProbeSet(),
    'repscope.selectDevice': () => selectDevice(services),
    'repscope.cancelAnalysis': () => cancelAnalysis(services),
    'repscope.inspectModel': (model: ModelArgument) => inspectModel(services, modelPath(model)),
    'repscope.revealModel': (model: ModelArgument) => revealModel(services, modelPath(model)),
    'repscope.refreshModels': () => models.refresh(),
    'repscope.restartServer': () => server.restart(),
    'repscope.showLog': () => log.show(),
  };

  server.takeOver(protocolCommands.serverAnalyze, (params) => {
    const known = params as AnalyzeParams;
    return runAnalysis(services, known, known.analysis);
  });
  server.takeOver(protocolCommands.serverCompare, (params) =>
    runComparison(services, params as CompareParams),
  );

  const registrations = Object.entries(table).map(([id, run]) =>
    vscode.commands.registerCommand(id, async (...args: never[]) => {
      try {
        await run(...args);
      } catch (error) {
        const reason = readableError(error);
        if (reason instanceof Cancelled) return;
        log.error(`${id}: ${reason.message}`);
        await showFailure(reason, { log });
      }
    }),
  );
  return vscode.Disposable.from(...registrations);
}

function requireTrust(): void {
  if (vscode.workspace.isTrusted) return;
  throw new UserError(
    'untrusted',
    'Repscope',
    vscode.l10n.t('models are not run in a workspace that you do not trust'),
    vscode.l10n.t('trust the workspace first'),
  );
}

function modelPath(model: ModelArgument): string | undefined {
  if (model === undefined || typeof model === 'string') return model;
  if (model instanceof vscode.Uri) return model.fsPath;
  return model.kind === 'model' ? model.model.path : model.path;
}

/** The second of two selected rows or files: VS Code passes the whole selection after the first. */
function secondModel(model: ModelArgument, others: unknown): string | undefined {
  const first = modelPath(model);
  if (!Array.isArray(others)) return typeof others === 'string' ? others : undefined;
  return (others as ModelArgument[]).map(modelPath).find((path) => path !== first);
}

function runId(run: RunArgument): string | undefined {
  return typeof run === 'object' ? run.id : run;
}
