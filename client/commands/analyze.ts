import {
  Analyze,
  Compare,
  ListAnalyses,
  type AnalysisInfo,
  type AnalyzeParams,
  type CompareParams,
  type RunAnswer,
} from '@repscope/core/protocol/language-server.ts';
import * as vscode from 'vscode';
import { baseName } from '@repscope/core/results/format.ts';
import type { Services } from '../services.ts';
import { pickModel } from './pick-model.ts';
import { pickOptions } from './pick-options.ts';

/** Asks what to run on which model, runs it, and shows the result. */
export async function analyzeModel(services: Services, given?: string): Promise<void> {
  const { server, models } = services;
  const title = vscode.l10n.t('Analyze Model');
  const path = given ?? (await pickModel(models, title, vscode.l10n.t('Model to analyze')));
  if (path === undefined) return;
  const analysis = await pickAnalysis(server.request(ListAnalyses, null), baseName(path));
  if (!analysis) return;
  const options = await pickOptions(analysis, {
    outline: () => models.outline(path),
    secondModel: () =>
      pickModel(models, title, vscode.l10n.t('Model to compare {0} with', baseName(path)), path),
  });
  if (!options) return;
  const { params, layers, second } = options;
  const inputs = second === undefined ? [path] : [path, second];
  const request = { analysis: analysis.id, inputs, params, ...(layers ? { layers } : {}) };
  await runAnalysis(services, request, analysis.title);
}

/** Asks for the models that are not given, compares them, and shows the result. */
export async function compareModels(
  services: Services,
  first?: string,
  second?: string,
): Promise<void> {
  const { models } = services;
  const title = vscode.l10n.t('Compare Models');
  const a = first ?? (await pickModel(models, title, vscode.l10n.t('First model')));
  if (a === undefined) return;
  const b =
    second ??
    (await pickModel(models, title, vscode.l10n.t('Model to compare {0} with', baseName(a)), a));
  if (b === undefined) return;
  await runComparison(services, { inputs: [a, b] });
}

/** Runs an analysis whose parameters are all known. */
export async function runAnalysis(
  { jobs, results }: Services,
  params: AnalyzeParams,
  title: string,
): Promise<RunAnswer | undefined> {
  const subject = params.inputs.map(baseName).join(', ');
  const answer = await jobs.run(`${title} · ${subject}`, Analyze, params);
  if (answer) results.show(answer);
  return answer;
}

/** Compares two models that are known. */
export async function runComparison(
  { jobs, results }: Services,
  params: CompareParams,
): Promise<RunAnswer | undefined> {
  const [a, b] = params.inputs.map(baseName);
  const answer = await jobs.run(vscode.l10n.t('Compare {0} with {1}', a!, b!), Compare, params);
  if (answer) results.show(answer);
  return answer;
}

async function pickAnalysis(
  analyses: Promise<AnalysisInfo[]>,
  model: string,
): Promise<AnalysisInfo | undefined> {
  const items = analyses.then((all) =>
    all.map((analysis) => ({
      label: analysis.title,
      description: analysis.id,
      detail: analysis.summary,
      analysis,
    })),
  );
  const picked = await vscode.window.showQuickPick(items, {
    title: vscode.l10n.t('Analyze {0}', model),
    placeHolder: vscode.l10n.t('Analysis to run'),
    matchOnDescription: true,
    matchOnDetail: true,
  });
  return picked?.analysis;
}
