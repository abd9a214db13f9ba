import { formatNames, type ModelOutline, type ValueInfo } from '@repscope/core/models/model.ts';
import { UserError } from '@repscope/core/errors.ts';
import { commands } from '@repscope/core/protocol/language-server.ts';
import { formatBytes, formatCount } from '@repscope/core/results/format.ts';
import { MarkupKind, type Hover } from 'vscode-languageserver';
import type { ModelCatalog } from '../model-catalog.ts';
import type { Reference } from '../reference.ts';
import type { Runs } from '../runs.ts';
import { chart, dataUri, profileOf } from './chart.ts';
import { foldLayers, mainDtypes, shapeText } from './facts.ts';

const maxLayerLines = 12;
const maxValues = 4;

/** The model's card. Undefined where the reference leads to no model. */
export async function hover(
  { path, range }: Reference,
  models: ModelCatalog,
  runs: Runs,
  clientCommands: boolean,
): Promise<Hover | undefined> {
  if (path === undefined) return undefined;
  let value: string;
  try {
    value = card(await models.outline(path), runs, clientCommands);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    value = `**${escape(error.where)}**\n\n${escape(error.what)}; ${escape(error.remedy)}`;
  }
  return { range, contents: { kind: MarkupKind.Markdown, value } };
}

function card(outline: ModelOutline, runs: Runs, clientCommands: boolean): string {
  const { name, architecture, path } = outline;
  return [
    `**${escape(name)}**${architecture === undefined ? '' : ` · ${escape(architecture)}`}`,
    [
      formatNames[outline.format],
      formatBytes(outline.bytes),
      `${formatCount(outline.parameters)} parameters`,
      ...(outline.parameters > 0 ? [mainDtypes(outline)] : []),
    ].join(' · '),
    // What leads on comes first: the editor cuts long cards off.
    clientCommands ? links(path) : '',
    outline.notRunnableBecause === undefined
      ? ''
      : `Not runnable: ${escape(outline.notRunnableBecause)}`,
    ...outline.findings.map(({ severity, message }) => `*${severity}*: ${escape(message)}`),
    lastRuns(path, runs, clientCommands),
    [...values('in', outline.inputs), ...values('out', outline.outputs)].join('  \n'),
    layers(outline),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function values(title: string, list: readonly ValueInfo[]): string[] {
  const shown = list
    .slice(0, maxValues)
    .map(({ name, dtype, shape }) => `${code(name)} ${dtype} ${escape(shapeText(shape))}`);
  const more = list.length - shown.length;
  if (more > 0) shown.push(`${more} more`);
  return shown.length === 0 ? [] : [`${title} ${shown.join(', ')}`];
}

function layers(outline: ModelOutline): string {
  const shown = outline.layers.filter((layer) => layer.default);
  const groups = foldLayers(shown.length > 0 ? shown : outline.layers);
  if (groups.length === 0) return '';
  const lines = groups.slice(0, maxLayerLines).map(({ name, kind, count, parameters, shape }) => {
    const cells = [
      `${code(name)}${count > 1 ? ` × ${count}` : ''}`,
      escape(kind),
      shape ? escape(shapeText(shape)) : '',
      parameters > 0 ? formatCount(parameters) : '',
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const more = groups.length - lines.length;
  return [
    '| layer | kind | shape | parameters |',
    '|:--|:--|:--|--:|',
    ...lines,
    ...(more > 0 ? [`| ${more} more | | | |`] : []),
  ].join('\n');
}

function lastRuns(path: string, runs: Runs, clientCommands: boolean): string {
  const latest = runs.latest(path);
  if (latest.length === 0) return '';
  const lines = latest.map(({ id, analysis, headline }) => {
    const text = escape(headline.startsWith(analysis) ? headline : `${analysis}: ${headline}`);
    return clientCommands ? `[${text}](${commandLink(commands.showRun, id)})` : text;
  });
  // The newest that can be drawn, above the list.
  for (const { id } of latest) {
    const result = runs.find(id)?.result;
    const profile = result && profileOf(result);
    if (!profile) continue;
    const title = escape(profile.title);
    return `${title}  \n![${title}](${dataUri(chart(profile))})\n\n${lines.join('  \n')}`;
  }
  return lines.join('  \n');
}

function links(path: string): string {
  return [
    `[Analyze…](${commandLink(commands.analyzeModel, path)})`,
    `[Compare…](${commandLink(commands.compareModels, path)})`,
  ].join(' · ');
}

function commandLink(command: string, argument: string): string {
  return `command:${command}?${encodeURIComponent(JSON.stringify([argument]))}`;
}

/** Names come from files and code: nothing in them may act as Markdown. */
function escape(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\\`*_{}[\]()|<>&~$]/g, '\\$&');
}

function code(text: string): string {
  return `\`${text.replace(/`/g, 'ˋ').replace(/\|/g, '¦').replace(/\s+/g, ' ')}\``;
}
