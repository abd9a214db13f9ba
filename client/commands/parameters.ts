import type { AnalysisInfo, ParameterInfo } from '@repscope/core/protocol/language-server.ts';
import { formatValue } from '../labels.ts';

export type Parsed = { value: unknown } | { problem: string };

/** Reads what the user typed for a parameter; blank means its default. */
export function parseParameter(info: ParameterInfo, text: string): Parsed {
  const trimmed = text.trim();
  if (trimmed === '') return { value: info.default };
  switch (info.type) {
    case 'number':
      return parseNumber(info, trimmed);
    case 'boolean':
      return trimmed === 'true' || trimmed === 'false'
        ? { value: trimmed === 'true' }
        : { problem: `${info.name}: write true or false` };
    case 'choice': {
      const choices = info.choices ?? [];
      return choices.includes(trimmed)
        ? { value: trimmed }
        : { problem: `${info.name}: one of ${choices.join(', ')}` };
    }
    case 'string':
      return { value: trimmed };
  }
}

function parseNumber(
  { name, integer = false, minimum = -Infinity, maximum = Infinity }: ParameterInfo,
  text: string,
): Parsed {
  const value = Number(text);
  if (!Number.isFinite(value)) return { problem: `${name}: "${text}" is not a number` };
  if (integer && !Number.isInteger(value)) return { problem: `${name}: write a whole number` };
  if (value < minimum) return { problem: `${name}: at least ${minimum}` };
  if (value > maximum) return { problem: `${name}: at most ${maximum}` };
  return { value };
}

/** The parameters that differ from their defaults: what a request needs to carry. */
export function changedParameters(
  analysis: Pick<AnalysisInfo, 'params'>,
  values: ReadonlyMap<string, unknown>,
): Record<string, unknown> {
  return Object.fromEntries(
    analysis.params
      .filter(({ name, default: fallback }) => values.has(name) && values.get(name) !== fallback)
      .map(({ name }) => [name, values.get(name)]),
  );
}

/** `permutations = 100, kernel = rbf`. */
export function describeParameters(params: Record<string, unknown>): string {
  return Object.entries(params)
    .map(([name, value]) => `${name} = ${formatValue(value)}`)
    .join(', ');
}
