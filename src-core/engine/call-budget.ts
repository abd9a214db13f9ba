/**
 * Multiply-adds that one call of the engine or of a kernel may take, so that it stays below 100 ms
 * on a slow processor, in float64 too.
 */
export const callBudget = 4e8;
