import type { Criterion, DimensionEstimate } from './dimension-estimators.ts';

export const lpcaRules = ['fo', 'maxgap', 'ratio', 'kaiser', 'broken-stick'] as const;
export type LpcaRule = (typeof lpcaRules)[number];

/** Share of the largest eigenvalue that counts for Fukunaga and Olsen. */
const fukunagaShare = 0.05;

/**
 * Number of principal components that a rule keeps.
 * @param eigenvalues of the covariance, descending: those that the samples allow, min(n − 1, d)
 * @param share for `ratio`: of the variance
 */
export function lpca(
  eigenvalues: Float64Array,
  rule: LpcaRule,
  share: number,
): Pick<DimensionEstimate, 'dimension' | 'criterion'> {
  const total = eigenvalues.reduce((sum, value) => sum + value, 0);
  if (!(total > 0)) return { dimension: NaN };
  const criterion = criterionOf(eigenvalues, total, rule, share);
  return { dimension: componentsBy(criterion, rule), criterion };
}

function criterionOf(
  eigenvalues: Float64Array,
  total: number,
  rule: LpcaRule,
  share: number,
): Criterion {
  const p = eigenvalues.length;
  const level = (limit: number) => new Float64Array(p).fill(limit);
  switch (rule) {
    case 'fo':
      return {
        name: 'eigenvalue',
        values: eigenvalues,
        limits: level(fukunagaShare * eigenvalues[0]!),
      };
    case 'kaiser':
      return { name: 'eigenvalue', values: eigenvalues, limits: level(total / p) };
    case 'maxgap':
      return {
        name: 'ratio to the next eigenvalue',
        values: eigenvalues.subarray(0, p - 1).map((value, i) => value / eigenvalues[i + 1]!),
      };
    case 'ratio': {
      let sum = 0;
      return {
        name: 'share of the variance so far',
        values: eigenvalues.map((value) => (sum += value) / total),
        limits: level(share),
      };
    }
    case 'broken-stick': {
      // Expected share of the i-th longest piece of a stick broken at random into p.
      const limits = new Float64Array(p);
      for (let i = p - 1, sum = 0; i >= 0; i--) limits[i] = (sum += 1 / (i + 1)) / p;
      return {
        name: 'share of the variance',
        values: eigenvalues.map((value) => value / total),
        limits,
      };
    }
  }
}

function componentsBy({ values, limits }: Criterion, rule: LpcaRule): number {
  if (rule === 'maxgap') {
    let best = 0;
    for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
    return best + 1;
  }
  if (rule === 'ratio') {
    // Rounding may keep the last sum a little below 1.
    const reached = values.findIndex((value, i) => value >= limits![i]! * (1 - 1e-12));
    return reached + 1;
  }
  const below = values.findIndex((value, i) => value <= limits![i]!);
  return below < 0 ? values.length : below;
}
