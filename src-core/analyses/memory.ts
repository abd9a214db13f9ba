import { UserError } from '../errors.ts';
import { formatBytes } from '../results/format.ts';
import type { AnalysisContext } from './definition.ts';

/**
 * Refuse before the start what would pass the memory bound.
 * @param what e.g. `distances between 50,000 samples`
 * @param remedy how to need less, e.g. `set landmarks`
 * @throws UserError `memory` with both figures.
 */
export function requireMemory(
  { memoryLimit }: Pick<AnalysisContext, 'memoryLimit'>,
  bytes: number,
  what: string,
  remedy: string,
): void {
  if (bytes <= memoryLimit) return;
  throw new UserError(
    'memory',
    what,
    `need ${formatBytes(bytes)}, and the bound is ${formatBytes(memoryLimit)}`,
    `${remedy}, or raise the bound (--memory, repscope.memoryLimit)`,
  );
}
