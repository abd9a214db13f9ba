/**
 * Rényi entropy in nats of values scaled to add up to 1, those that are not positive left out;
 * Shannon's at alpha 1. NaN where nothing is positive.
 */
export function renyiEntropy(values: Float64Array, alpha: number): number {
  const positive = values.filter((value) => value > 0);
  const total = positive.reduce((sum, value) => sum + value, 0);
  if (total === 0) return NaN;
  if (alpha === 1) {
    return positive.reduce((entropy, value) => {
      const share = value / total;
      return entropy - share * Math.log(share);
    }, 0);
  }
  const sum = positive.reduce((partial, value) => partial + (value / total) ** alpha, 0);
  return Math.log(sum) / (1 - alpha);
}
