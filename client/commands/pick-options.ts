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
  /** The other model, where the analysis takes two. */
  second?: string;
}

/** What the inner steps ask for. */
interface Sources {
  outline: () => Promise<ModelOutline>;
  secondModel: () => Promise<string | undefined>;
}

type OptionItem = vscode.QuickPickItem & { act: () => Promise<'run' | 'again'> };

/**
 * Offers to run with the defaults, or to change parameters and layers first. Leaving an inner step
 * comes back here; leaving this one leaves the command.
 */
export async function pickOptions(
  analysis: AnalysisInfo,
  { outline, secondModel }: Sources,
): Promise<Options | undefined> {
  const values = new Map<string, unknown>();
  let layers: string[] | undefined;
  let second: string | undefined;

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
    const chosen = await pickLayers(analysis, await outline(), layers);
    if (chosen !== undefined) layers = chosen.length > 0 ? chosen : undefined;
    return 'again';
  };

  const chooseSecond = async (): Promise<'again'> => {
    second = (await secondModel()) ?? second;
    return 'again';
  };

  for (;;) {
    const params = changedParameters(analysis, values);
    const changed = Object.keys(params).length > 0 || layers !== undefined || second !== undefined;
    const items: OptionItem[] = [
      {
        label: changed ? vscode.l10n.t('$(play) Run') : vscode.l10n.t('$(play) Run with defaults'),
        description: describeParameters(params),
        act: () => Promise.resolve('run'),
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
              label: vscode.l10n.t('$(diff) Choose a second model…'),
              description:
                second === undefined
                  ? vscode.l10n.t('the layers of this model with one another')
                  : baseName(second),
              act: chooseSecond,
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
      return { params, ...(layers ? { layers } : {}), ...(second === undefined ? {} : { second }) };
    }
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
