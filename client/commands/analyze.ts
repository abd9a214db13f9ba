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
import { pickDataFile, pickModel } from './pick-model.ts';
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
    otherModel: () =>
      pickModel(
        models,
        title,
        vscode.l10n.t('Model to go with {0}', baseName(path)),
        // Two sets of samples may go through one model.
        analysis.relation === 'sets' ? undefined : path,
      ),
    file: pickDataFile,
  });
  if (!options) return;
  const { others, ...rest } = options;
  const request = { analysis: analysis.id, inputs: [path, ...others], ...rest };
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

type AnalysisItem = vscode.QuickPickItem & { analysis?: AnalysisInfo };

/** Analyses under the names of their families. */
function analysisItems(analyses: readonly AnalysisInfo[]): AnalysisItem[] {
  return analyses.flatMap((analysis, at): AnalysisItem[] => [
    ...(analysis.family === analyses[at - 1]?.family
      ? []
      : [{ label: analysis.family, kind: vscode.QuickPickItemKind.Separator }]),
    {
      label: analysis.title,
      description: analysis.id,
      detail: analysis.summary,
      analysis,
    },
  ]);
}

async function pickAnalysis(
  analyses: Promise<AnalysisInfo[]>,
  model: string,
): Promise<AnalysisInfo | undefined> {
  const items = analyses.then((all) => analysisItems(all));
  const picked = await vscode.window.showQuickPick(items, {
    title: vscode.l10n.t('Analyze {0}', model),
    placeHolder: vscode.l10n.t('Analysis to run'),
    matchOnDescription: true,
    matchOnDetail: true,
  });
  return picked?.analysis;
}
