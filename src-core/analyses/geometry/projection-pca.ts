import type { Engine } from '../../engine/device-engine.ts';
import { gram } from '../../engine/kernels.ts';
import { leadingEigen, symmetricEigen } from '../../engine/linear-algebra/eigen.ts';
import { blocks } from '../blocks.ts';
import type { CheckedRows } from '../layers.ts';
import { smallerMoment } from './second-moment.ts';
import { callBudget } from '../../engine/call-budget.ts';

type Step = (fraction: number) => Promise<void>;

/** Share of all components above which all are computed. */
const fewShare = 0.25;

export interface PrincipalComponents {
  /** Components found: at most those asked for, and those that the samples allow. */
  readonly count: number;
  /** n × count: coordinates of the centred samples. */
  readonly scores: Float64Array;
  /** Share of the variance that each component holds; NaN where there is none. */
  readonly explained: Float64Array;
}

/**
 * The first principal components of centred rows, in float64. The sign of each is chosen so that
 * the coordinate farthest from zero is positive.
 */
export async function principalComponents(
  engine: Engine,
  rows: CheckedRows,
  components: number,
  step: Step,
): Promise<PrincipalComponents> {
  const { n, d } = rows;
  const source = rows.centred('float64');
  const { matrix, size } = await smallerMoment(engine, source, (part) => step(0.4 * part));
  let trace = 0;
  for (let i = 0; i < size; i++) trace += matrix[i * size + i]!;
  const count = Math.min(components, n - 1, d);
  const options = { step: (part: number) => step(0.4 + 0.4 * part) };
  const { values, vectors } =
    count > fewShare * size
      ? await symmetricEigen(matrix, size, { vectors: true, ...options })
      : await leadingEigen(matrix, size, count, options);
  const leading = vectors.subarray(0, count * size);
  const scores = new Float64Array(n * count);
  if (n < d) {
    // Vectors of XXᵀ are the coordinates up to the singular value.
    for (let c = 0; c < count; c++) {
      const length = Math.sqrt(Math.max(0, values[c]!));
      for (let i = 0; i < n; i++) scores[i * count + c] = leading[c * n + i]! * length;
    }
  } else {
    const height = Math.max(16, Math.floor(callBudget / (d * Math.max(1, count))));
    for (const [start, end] of blocks(n, height)) {
      scores.set(await gram(engine, d, await source.rows(start, end), leading), start * count);
      await step(0.8 + (0.2 * end) / n);
    }
  }
  orient(scores, count);
  const explained = values.slice(0, count).map((value) => Math.max(0, value) / trace);
  return { count, scores, explained };
}

function orient(scores: Float64Array, count: number): void {
  for (let c = 0; c < count; c++) {
    let farthest = 0;
    for (let at = c; at < scores.length; at += count) {
      if (Math.abs(scores[at]!) > Math.abs(farthest)) farthest = scores[at]!;
    }
    if (farthest >= 0) continue;
    for (let at = c; at < scores.length; at += count) scores[at] = -scores[at]!;
  }
}
