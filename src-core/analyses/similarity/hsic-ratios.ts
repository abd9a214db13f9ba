import type { AnalysisContext } from '../definition.ts';
import type { CheckedRows } from '../layers.ts';
import { real } from '../statistics.ts';
import type { HsicTerms, PairPlan } from './hsic-terms.ts';
import type { PairCells } from './pair-report.ts';

/** What a measure makes of HSIC(K, L)/√(HSIC(K, K)·HSIC(L, L)). */
export interface RatioMeasure<Key extends string> {
  /** Its main value. */
  key: Key;
  /** All its values, NaN where the ratio is. */
  values: (ratio: number) => Record<Key, number> & Record<string, number>;
}

/** Cells of a layers × layers matrix, with draws where there are some. */
export function ratioCells<Key extends string>(
  terms: HsicTerms,
  plan: PairPlan,
  [rows, columns]: readonly [rows: number, columns: number],
  { permutations, bootstrap }: { permutations: number; bootstrap: number },
  { key, values }: RatioMeasure<Key>,
): PairCells {
  const matrixOf = <T>(cell: (target: number) => T): T[][] =>
    Array.from({ length: rows }, (_, i) =>
      Array.from({ length: columns }, (__, j) => cell(plan.targetOf(i, j))),
    );
  const ratio = (target: number, of: (pair: number) => number): number => {
    const [i, j] = plan.targets[target]!;
    const [own, others] = [of(plan.indexOf(i, i)), of(plan.indexOf(j, j))];
    if (!(own > 0 && others > 0)) return NaN;
    return i === j ? 1 : of(target) / Math.sqrt(own * others);
  };
  const observed = (target: number) => {
    const found = values(ratio(target, (index) => terms.observed[index]!));
    return Object.fromEntries(Object.entries(found).map(([name, value]) => [name, real(value)]));
  };
  const permuted = (target: number) => {
    const [i, j] = plan.targets[target]!;
    const own = terms.observed[plan.indexOf(i, i)]!;
    const norm = Math.sqrt(own * terms.observed[plan.indexOf(j, j)]!);
    return terms.permuted[target]!.map((draw) => values(draw / norm)[key]);
  };
  const resampled = (target: number) =>
    Float64Array.from(
      { length: bootstrap },
      (_, draw) => values(ratio(target, (index) => terms.resampled[index]![draw]!))[key],
    );
  return {
    values: matrixOf(observed),
    ...(permutations > 0 && { permuted: matrixOf(permuted) }),
    ...(bootstrap > 0 && { resampled: matrixOf(resampled) }),
  };
}

/** Say which layers have no positive HSIC with themselves, beside those that are constant. */
export function warnUndefined(
  layers: readonly CheckedRows[],
  terms: HsicTerms,
  plan: PairPlan,
  name: string,
  context: AnalysisContext,
): void {
  layers.forEach(({ label, d, constantColumns }, i) => {
    if (constantColumns === d || terms.observed[plan.indexOf(i, i)]! > 0) return;
    context.warn(`${label}: its HSIC with itself is not positive, so that its ${name} is null`);
  });
}
