import { commands } from '@repscope/core/protocol/language-server.ts';
import type { CodeLens, Command } from 'vscode-languageserver';
import { modelName, type ModelCatalog } from '../model-catalog.ts';
import type { Reference } from '../reference.ts';
import { isCommonEnding, isForeignFormat } from '../references/language.ts';
import type { Runs } from '../runs.ts';
import { factsLine } from './facts.ts';

/** Round-trips through the client between a lens and its resolution. */
interface LensData {
  kind: 'facts';
  path: string;
}

/**
 * One line of lenses for each loader call, and for each string that no loader call of the document
 * uses. Facts are read when the line is shown.
 */
export function codeLenses(
  references: readonly Reference[],
  runs: Runs,
  clientCommands: boolean,
): CodeLens[] {
  const loaded = new Set(references.flatMap(({ mention, path }) => (mention.loader ? path : [])));
  const lines = new Set<string>();
  return references.flatMap(({ mention, path, range }) => {
    if (path === undefined || isForeignFormat(path)) return [];
    if (isCommonEnding(path) && !mention.loader) return [];
    if (mention.loader ? !mention.loader.loads : loaded.has(path)) return [];
    // The same model twice on a line is told once.
    const line = `${range.start.line} ${path}`;
    if (lines.has(line)) return [];
    lines.add(line);
    const other = references.find((reference) => reference.path && reference.path !== path)?.path;
    const data: LensData = { kind: 'facts', path };
    return [
      { range, command: analyze(path, clientCommands) },
      ...compare(path, other, clientCommands).map((command) => ({ range, command })),
      { range, data },
      ...lastValues(path, runs, clientCommands).map((command) => ({ range, command })),
    ];
  });
}

/** Fills in the facts; a model that cannot be read is named so. */
export async function resolveLens(lens: CodeLens, models: ModelCatalog): Promise<CodeLens> {
  const data = lens.data as Partial<LensData> | undefined;
  if (data?.kind !== 'facts' || typeof data.path !== 'string') return lens;
  const title = await models.outline(data.path).then(factsLine, () => 'not readable');
  return { ...lens, command: { title, command: '' } };
}

function analyze(path: string, clientCommands: boolean): Command {
  const title = '▷ Analyze';
  return clientCommands
    ? { title, command: commands.analyzeModel, arguments: [path] }
    : {
        title,
        command: commands.serverAnalyze,
        arguments: [{ analysis: 'cka', inputs: [path] }],
      };
}

/** A plain client has no picker: it compares with another model of the document. */
function compare(path: string, other: string | undefined, clientCommands: boolean): Command[] {
  if (clientCommands) {
    return [{ title: '⇄ Compare', command: commands.compareModels, arguments: [path] }];
  }
  if (other === undefined) return [];
  return [
    {
      title: `⇄ Compare with ${modelName(other)}`,
      command: commands.serverCompare,
      arguments: [{ inputs: [path, other] }],
    },
  ];
}

const maxValues = 3;

function lastValues(path: string, runs: Runs, clientCommands: boolean): Command[] {
  const latest = runs.latest(path).slice(0, maxValues);
  if (latest.length === 0) return [];
  const title = latest.map((run) => run.headline).join(' · ');
  return clientCommands
    ? [{ title, command: commands.showRun, arguments: [latest[0]!.id] }]
    : [{ title, command: '' }];
}
