/** A seeded stream of numbers that is the same on every machine. */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Standard normal (Marsaglia's polar method). */
  normal(): number;
}

/** Mulberry32 seeded by several whole numbers, so that each item of a set has its own stream. */
export function random(...seeds: number[]): Random {
  let state = 0x9e3779b9;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  for (const seed of seeds) {
    state = (state ^ Math.imul(seed | 0, 0x85ebca6b)) | 0;
    state = next();
  }
  const uniform = () => next() / 2 ** 32;
  const between = (low: number, high: number) => low + (high - low) * uniform();
  const normal = () => {
    for (;;) {
      const u = between(-1, 1);
      const v = between(-1, 1);
      const s = u * u + v * v;
      if (s > 0 && s < 1) return u * Math.sqrt((-2 * Math.log(s)) / s);
    }
  };
  return { uniform, between, normal };
}
