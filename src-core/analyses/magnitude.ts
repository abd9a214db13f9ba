import { UserError } from '../errors.ts';
import type { Floats } from '../tensor/matrix.ts';

/** Magnitudes up to which the squares of many values add up. */
export const largest = { float32: 1e15, float64: 1e145 };

/** The place of the first value that is not finite, or too large to be squared; −1 for none. */
export function firstUnusable(values: Floats): number {
  const bound = largest[values instanceof Float32Array ? 'float32' : 'float64'];
  return values.findIndex((value) => !(Math.abs(value) <= bound));
}

/**
 * The refusal of such a value.
 * @param place where it is, and what holds it and could be left out
 */
export function unusable(
  label: string,
  place: { where: string; of: string },
  value: number,
  column: number,
): UserError {
  const finite = Number.isFinite(value);
  return new UserError(
    'non-finite',
    label,
    `${place.where} holds ${String(value)} in column ${column}${finite ? ', too large to be squared' : ''}`,
    finite
      ? `remove the ${place.of}, or scale all values down`
      : `remove the ${place.of}, or choose layers and data without NaN and infinite values`,
  );
}
