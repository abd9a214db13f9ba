import type { Result } from '@repscope/core/results/schema.ts';

export interface Warning {
  text: string;
  /** The layers or inputs that it was said of; empty where it concerns the whole result. */
  of: string[];
}

/**
 * Warnings that say the same of several layers (`layer: text`) as one, in the order of the first.
 */
export function groupWarnings({
  warnings,
  inputs,
}: Pick<Result, 'warnings' | 'inputs'>): Warning[] {
  const names = new Set(inputs.flatMap(({ layer }) => (layer === null ? [] : [layer])));
  const grouped = new Map<string, Warning>();
  for (const warning of warnings) {
    const at = warning.indexOf(': ');
    const name = warning.slice(0, Math.max(0, at));
    const text = names.has(name) ? warning.slice(at + 2) : warning;
    const known = grouped.get(text) ?? { text, of: [] };
    if (names.has(name)) known.of.push(name);
    grouped.set(text, known);
  }
  return [...grouped.values()];
}

const mostNames = 3;

/** `a, b, c and 4 more`. */
export function listed(names: readonly string[]): string {
  const rest = names.length - mostNames;
  if (rest <= 1) return names.join(', ');
  return `${names.slice(0, mostNames).join(', ')} and ${rest} more`;
}
