import type { AnalysisDefinition } from './definition.ts';

/** Fewest and most inputs that an analysis takes, and how to say that. */
export function inputCount({
  arity,
  relation = 'samples',
  alone,
}: Pick<AnalysisDefinition, 'arity' | 'relation' | 'alone'>): [
  least: number,
  most: number,
  text: string,
] {
  if (arity === 1) return [1, 1, 'one input'];
  if (alone) return [1, Infinity, 'one input or more'];
  if (relation === 'samples') return [1, Infinity, 'one model, or two inputs or more'];
  if (relation === 'series') return [2, Infinity, 'two inputs or more'];
  return [2, 2, 'two inputs'];
}
