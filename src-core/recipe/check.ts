import { dirname } from 'node:path';
import { isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { compare } from '../analyses/compare.ts';
import type { AnalysisDefinition } from '../analyses/definition.ts';
import { nearWords } from '../analyses/near-words.ts';
import { analyses, parseParams } from '../analyses/registry.ts';
import { inputCount } from '../analyses/inputs.ts';
import { UserError } from '../errors.ts';
import type { AnalyzeJob, CompareJob, InputOptions } from '../jobs/messages.ts';
import { looksLikeHubId } from '../models/resolve.ts';
import { recipeSchema, type Recipe, type RecipeAnalysis } from './schema.ts';

/** Something wrong in a recipe, and where. Lines and columns count from 1. */
export interface RecipeProblem {
  /** Offsets into the text. */
  range: readonly [start: number, end: number];
  line: number;
  column: number;
  what: string;
  remedy: string;
}

/** One analysis of a recipe, ready to run. */
export interface PlannedAnalysis {
  name: string;
  job: AnalyzeJob | CompareJob;
}

export interface Plan {
  analyses: PlannedAnalysis[];
  /** Paths as written, relative to the recipe's folder. */
  report: { html?: string; json?: string };
}

type Path = readonly (string | number)[];
type Report = (path: Path, what: string, remedy: string, onKey?: boolean) => void;

const known: readonly AnalysisDefinition[] = [...analyses, compare];

/**
 * Read a recipe and check all of it that can be checked without opening a model: its form, the names
 * that it refers to, analyses and their parameters.
 * @param path of the file, for the folder that its paths are relative to
 */
export function checkRecipe(
  text: string,
  path: string,
): { problems: RecipeProblem[]; plan?: Plan } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const problems: RecipeProblem[] = [];
  const add = (range: readonly [number, number], what: string, remedy: string) => {
    const { line, col } = lines.linePos(range[0]);
    problems.push({ range, line, column: col, what, remedy });
  };
  for (const error of document.errors) {
    const [what = ''] = error.message.split(/ at line|\n/);
    add(error.pos, what, 'mend the YAML');
  }
  if (problems.length > 0) return { problems };
  const report: Report = (path, what, remedy, onKey) =>
    add(rangeOf(document, path, onKey), what, remedy);

  const parsed = recipeSchema.safeParse(document.toJS() ?? {}, { reportInput: true });
  if (!parsed.success) {
    for (const issue of parsed.error.issues) reportIssue(issue, report);
    return { problems };
  }
  const recipe = parsed.data;
  const planned = planAnalyses(recipe, dirname(path), report);
  if (problems.length > 0) return { problems };
  const { html, json } = recipe.report ?? {};
  return {
    problems,
    plan: {
      analyses: planned,
      report: { ...(html === undefined ? {} : { html }), ...(json === undefined ? {} : { json }) },
    },
  };
}

/** The first problem as the error that a command ends with. */
export function recipeError(
  path: string,
  { line, column, what, remedy }: RecipeProblem,
): UserError {
  return new UserError('usage', `${path}:${line}:${column}`, what, remedy);
}

/** Where the value at a path stands, or its key; the nearest that is there where it is missing. */
function rangeOf(document: Document.Parsed, path: Path, onKey = false): [number, number] {
  let node: unknown = document.contents;
  let range: readonly number[] = document.contents?.range ?? [0, 0];
  for (const [depth, step] of path.entries()) {
    let key: unknown;
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && item.key.value === step,
      );
      key = pair?.key;
      node = pair?.value;
    } else if (isSeq(node)) node = node.items[Number(step)];
    else break;
    const last = depth === path.length - 1;
    const found = last && onKey && key ? key : (node ?? key);
    const next = (found as { range?: readonly number[] } | undefined)?.range;
    if (!next) break;
    range = next;
  }
  return [range[0] ?? 0, range[1] ?? 0];
}

function reportIssue(issue: z.core.$ZodIssue, report: Report): void {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  if (issue.code === 'unrecognized_keys') {
    const allowed = keysAt(path);
    for (const key of issue.keys) {
      const near = nearWords(key, allowed);
      report(
        [...path, key],
        `'${key}' is nothing that a recipe has here`,
        near.length > 0 ? `did you mean ${near.join(' or ')}?` : `use ${allowed.join(', ')}`,
        true,
      );
    }
    return;
  }
  if (issue.code === 'invalid_key') {
    const message = issue.issues[0]?.message ?? 'not a name';
    report(path, `'${String(path.at(-1))}' is not ${message}`, 'choose another name', true);
    return;
  }
  const place = path.length === 0 ? 'a recipe' : `'${path.join('.')}'`;
  if (issue.input === undefined && path.length > 0) {
    report(path, `${place} is missing`, `add ${String(path.at(-1) ?? 'analyses')}`);
    return;
  }
  report(path, `${place} cannot be this`, expectation(issue));
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_value':
      return `give one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_type':
      return `give ${issue.expected === 'record' || issue.expected === 'object' ? 'names with values' : `a ${issue.expected}`}`;
    case 'invalid_union':
      return 'give a text or a list of texts';
    case 'too_small':
      return 'give at least one';
    default:
      return issue.message;
  }
}

/** The keys that the schema has at a path. */
function keysAt(path: Path): string[] {
  const [top] = path;
  const shape =
    path.length === 0
      ? recipeSchema.shape
      : top === 'analyses'
        ? recipeSchema.shape.analyses.element.shape
        : top === 'captures'
          ? recipeSchema.shape.captures.unwrap().valueType.shape
          : recipeSchema.shape.report.unwrap().shape;
  return Object.keys(shape);
}

const list = (value: string | readonly string[]): string[] =>
  typeof value === 'string' ? [value] : [...value];

function planAnalyses(recipe: Recipe, cwd: string, report: Report): PlannedAnalysis[] {
  for (const [name, capture] of Object.entries(recipe.captures)) {
    checkName(capture.model, recipe.models, ['captures', name, 'model'], 'model', report);
    checkProbe(capture.probe, recipe, ['captures', name, 'probe'], report);
  }
  const names = new Set<string>();
  return recipe.analyses.flatMap((entry, index) => {
    const path = ['analyses', index];
    const definition = findDefinition(entry.analysis, [...path, 'analysis'], report);
    if (!definition) return [];
    const name = entry.name ?? unused(entry.analysis, names);
    if (entry.name !== undefined && names.has(name)) {
      report([...path, 'name'], `'${name}' is the name of two analyses`, 'choose another name');
    }
    names.add(name);
    checkProbe(entry.probe, recipe, [...path, 'probe'], report);
    checkParams(definition, entry, path, report);
    const job = jobOf(definition, entry, recipe, cwd, path, report);
    return [{ name, job }];
  });
}

function unused(id: string, names: ReadonlySet<string>): string {
  let name = id;
  for (let count = 2; names.has(name); count++) name = `${id}-${count}`;
  return name;
}

function findDefinition(id: string, path: Path, report: Report): AnalysisDefinition | undefined {
  const found = known.find((definition) => definition.id === id);
  if (found) return found;
  const ids = known.map((definition) => definition.id);
  const near = nearWords(id, ids);
  report(
    path,
    `there is no analysis '${id}'`,
    near.length > 0 ? `did you mean ${near.join(' or ')}?` : 'see repscope list',
  );
  return undefined;
}

function checkParams(
  definition: AnalysisDefinition,
  { params, labels }: RecipeAnalysis,
  path: Path,
  report: Report,
): void {
  if (labels !== undefined && definition.labels === undefined) {
    report([...path, 'labels'], `${definition.id} takes no labels`, 'leave them out', true);
  }
  for (const [name, value] of Object.entries(params)) {
    try {
      parseParams(definition, { [name]: value });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const unknown = !(name in definition.params.shape);
      report([...path, 'params', name], `${error.where} ${error.what}`, error.remedy, unknown);
    }
  }
}

/** A name that is defined, or what may be a path or a hub id. */
function checkName(
  value: string,
  names: Readonly<Record<string, unknown>>,
  path: Path,
  what: string,
  report: Report,
): void {
  if (value in names || /[./\\]/.test(value) || (what === 'model' && looksLikeHubId(value))) {
    // A hub id without an owner (`gpt2`) looks like any name: a near one is more likely a slip.
    if (value in names || /[./\\]/.test(value)) return;
    if (nearWords(value, Object.keys(names)).length === 0) return;
  }
  const near = nearWords(value, Object.keys(names));
  report(
    path,
    `there is no ${what} '${value}'`,
    near.length > 0 ? `did you mean ${near.join(' or ')}?` : `define it, or give a path`,
  );
}

function checkProbe(probe: string | undefined, { probes }: Recipe, path: Path, report: Report) {
  if (probe === undefined || probe in probes) return;
  const near = nearWords(probe, Object.keys(probes));
  // Built-in probes are plain words, too: only a slip of a defined name is surely wrong.
  if (near.length > 0 && !/[./\\:]/.test(probe)) {
    report(path, `there is no probe '${probe}'`, `did you mean ${near.join(' or ')}?`);
  }
}

function jobOf(
  definition: AnalysisDefinition,
  entry: RecipeAnalysis,
  recipe: Recipe,
  cwd: string,
  path: Path,
  report: Report,
): AnalyzeJob | CompareJob {
  const { models, captures, probes, device } = recipe;
  const named = list(entry.inputs);
  const inputs: string[] = [];
  const each: InputOptions[] = [];
  named.forEach((input, at) => {
    const where = typeof entry.inputs === 'string' ? [...path, 'inputs'] : [...path, 'inputs', at];
    const capture = captures[input];
    if (capture) {
      inputs.push(models[capture.model] ?? capture.model);
      each.push(optionsOf(capture, probes));
      return;
    }
    checkName(input, { ...captures, ...models }, where, 'model', report);
    inputs.push(models[input] ?? input);
    each.push({});
  });
  const [least, most, takes] =
    definition.id === compare.id ? [2, 2, 'two models'] : inputCount(definition);
  if (named.length < least || named.length > most) {
    report(
      [...path, 'inputs'],
      `${definition.id} takes ${takes}, ${named.length} given`,
      'name models or matrices',
    );
  }
  const common = {
    ...optionsOf(entry, probes),
    ...(device === undefined ? {} : { device }),
    params: entry.params,
    each,
    cwd,
  };
  if (definition.id === compare.id) {
    return { kind: 'compare', inputs: [inputs[0] ?? '', inputs[1] ?? ''], ...common };
  }
  return {
    kind: 'analyze',
    analysis: definition.id,
    inputs,
    ...common,
    ...(entry.labels === undefined ? {} : { labels: entry.labels }),
  };
}

function optionsOf(
  { probe, layers, pool }: Pick<RecipeAnalysis, 'probe' | 'layers' | 'pool'>,
  probes: Recipe['probes'],
): InputOptions {
  return {
    ...(probe === undefined ? {} : { probe: probes[probe] ?? probe }),
    ...(layers === undefined ? {} : { layers: list(layers) }),
    ...(pool === undefined ? {} : { pool }),
  };
}
