import type { ModelOutline } from '@repscope/core/models/model.ts';
import type { AnalysisInfo, ParameterInfo } from '@repscope/core/protocol/language-server.ts';
import * as vscode from 'vscode';
import { baseName } from '@repscope/core/results/format.ts';
import { formatValue } from '../labels.ts';
import { changedParameters, describeParameters, parseParameter } from './parameters.ts';

/** What the user may change before an analysis runs. */
export interface Options {
  params: Record<string, unknown>;
  /** Names of the chosen layers; the model's default layers where absent. */
  layers?: string[];
  /** The inputs after the first, where the analysis takes more. */
  others: string[];
  /** A file of labels; those of the probe where absent. */
  labels?: string;
}

/** What the inner steps ask for. */
interface Sources {
  outline: () => Promise<ModelOutline>;
  otherModel: () => Promise<string | undefined>;
  /** A matrix or a list of labels from the disk. */
  file: (title: string) => Promise<string | undefined>;
}

type OptionItem = vscode.QuickPickItem & { act: () => Promise<'run' | 'again'> };

/**
 * Offers to run with the defaults, or to change parameters, layers and other inputs first. Leaving
 * an inner step comes back here; leaving this one leaves the command.
 */
export async function pickOptions(
  analysis: AnalysisInfo,
  sources: Sources,
): Promise<Options | undefined> {
  const values = new Map<string, unknown>();
  const others: string[] = [];
  let layers: string[] | undefined;
  let labels: string | undefined;
  // What an analysis of two cannot do without; a model's layers may be compared with one another.
  const needsOther = analysis.arity === 2 && (analysis.relation ?? 'samples') !== 'samples';

  const editParameters = async (): Promise<'again'> => {
    for (const [index, info] of analysis.params.entries()) {
      const current = values.get(info.name) ?? info.default;
      const edited = await editParameter(analysis, info, current, index + 1);
      if (edited === undefined) break;
      values.set(info.name, edited.value);
    }
    return 'again';
  };
  const editLayers = async (): Promise<'again'> => {
    const chosen = await pickLayers(analysis, await sources.outline(), layers);
    if (chosen !== undefined) layers = chosen.length > 0 ? chosen : undefined;
    return 'again';
  };
  const chooseOther = async (): Promise<'again'> => {
    const chosen =
      analysis.relation === 'reference'
        ? await sources.file(otherTexts(analysis).choose)
        : await sources.otherModel();
    if (chosen === undefined) return 'again';
    if (!takesMany(analysis)) others.length = 0;
    others.push(chosen);
    return 'again';
  };
  const chooseLabels = async (): Promise<'again'> => {
    labels = (await sources.file(vscode.l10n.t('Labels, one for each sample'))) ?? labels;
    return 'again';
  };
  const run = async (): Promise<'run' | 'again'> => {
    if (needsOther && others.length === 0) await chooseOther();
    return needsOther && others.length === 0 ? 'again' : 'run';
  };

  for (;;) {
    const params = changedParameters(analysis, values);
    const changed =
      Object.keys(params).length > 0 ||
      layers !== undefined ||
      labels !== undefined ||
      others.length > 0;
    const texts = otherTexts(analysis);
    const items: OptionItem[] = [
      {
        label: changed ? vscode.l10n.t('$(play) Run') : vscode.l10n.t('$(play) Run with defaults'),
        description: describeParameters(params),
        act: run,
      },
      ...(analysis.params.length > 0
        ? [
            {
              label: vscode.l10n.t('$(settings) Change parameters…'),
              description: analysis.params.map(({ name }) => name).join(', '),
              act: editParameters,
            },
          ]
        : []),
      {
        label: vscode.l10n.t('$(layers) Choose layers…'),
        description: layers?.join(', ') ?? vscode.l10n.t('default layers'),
        act: editLayers,
      },
      ...(analysis.arity === 2
        ? [
            {
              label: `$(diff) ${texts.choose}…`,
              description: others.map(baseName).join(', ') || texts.none,
              act: chooseOther,
            },
          ]
        : []),
      ...(analysis.labels
        ? [
            {
              label: vscode.l10n.t('$(tag) Choose a file of labels…'),
              description: labels ? baseName(labels) : vscode.l10n.t('the labels of the probe'),
              act: chooseLabels,
            },
          ]
        : []),
    ];
    const picked = await vscode.window.showQuickPick(items, {
      title: analysis.title,
      placeHolder: analysis.summary,
      ignoreFocusOut: changed,
    });
    if (!picked) return undefined;
    if ((await picked.act()) === 'run') {
      return {
        params,
        others,
        ...(layers ? { layers } : {}),
        ...(labels === undefined ? {} : { labels }),
      };
    }
  }
}

const takesMany = ({ relation = 'samples' }: AnalysisInfo) =>
  relation === 'samples' || relation === 'series';

/** What the inputs after the first are called. */
function otherTexts({ relation = 'samples' }: AnalysisInfo): { choose: string; none: string } {
  const needed = vscode.l10n.t('needed');
  switch (relation) {
    case 'samples':
      return {
        choose: vscode.l10n.t('Compare with another model'),
        none: vscode.l10n.t('the layers of this model with one another'),
      };
    case 'layers':
      return { choose: vscode.l10n.t('Choose the second model'), none: needed };
    case 'sets':
      return { choose: vscode.l10n.t('Choose the model of the other samples'), none: needed };
    case 'series':
      return { choose: vscode.l10n.t('Add the next model'), none: needed };
    case 'reference':
      return { choose: vscode.l10n.t('Choose the file to compare with'), none: needed };
  }
}

async function editParameter(
  analysis: AnalysisInfo,
  info: ParameterInfo,
  current: unknown,
  step: number,
): Promise<{ value: unknown } | undefined> {
  const title = `${analysis.title} (${step}/${analysis.params.length}): ${info.name}`;
  const choices = info.type === 'boolean' ? ['true', 'false'] : info.choices;
  if (choices && info.type !== 'string') {
    const first = formatValue(current);
    const items = [first, ...choices.filter((choice) => choice !== first)].map((label) => ({
      label,
      ...(label === formatValue(info.default) ? { description: vscode.l10n.t('default') } : {}),
    }));
    const picked = await vscode.window.showQuickPick(items, {
      title,
      placeHolder: info.description,
      // A result panel that takes the focus for a moment must not end the steps.
      ignoreFocusOut: true,
    });
    if (!picked) return undefined;
    const parsed = parseParameter(info, picked.label);
    return 'value' in parsed ? parsed : undefined;
  }
  const text = await vscode.window.showInputBox({
    title,
    ignoreFocusOut: true,
    prompt: vscode.l10n.t('{0} (empty: {1})', info.description, formatValue(info.default)),
    value: formatValue(current),
    validateInput: (value) => {
      const parsed = parseParameter(info, value);
      return 'problem' in parsed ? parsed.problem : undefined;
    },
  });
  if (text === undefined) return undefined;
  const parsed = parseParameter(info, text);
  return 'value' in parsed ? parsed : undefined;
}

/** @returns the chosen names; empty for the default layers; undefined where the user left. */
async function pickLayers(
  analysis: AnalysisInfo,
  outline: ModelOutline,
  current: string[] | undefined,
): Promise<string[] | undefined> {
  const items = outline.layers.map((layer) => ({
    label: layer.name,
    description: layer.kind,
    picked: current ? current.includes(layer.name) : layer.default,
  }));
  const picked = await vscode.window.showQuickPick(items, {
    title: analysis.title,
    placeHolder: vscode.l10n.t('Layers to analyze; none for the default layers'),
    canPickMany: true,
    ignoreFocusOut: true,
    matchOnDescription: true,
  });
  if (!picked) return undefined;
  const names = picked.map(({ label }) => label);
  const defaults = outline.layers.filter((layer) => layer.default).map(({ name }) => name);
  return names.join('\n') === defaults.join('\n') ? [] : names;
}
