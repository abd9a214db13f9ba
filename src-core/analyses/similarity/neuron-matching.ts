import { assignment } from '../../engine/linear-algebra/assignment.ts';
import type { Step } from './pairs.ts';

/** What every unit of the first side found in the second. */
export interface Matching {
  /** Correlation with what it was matched with; NaN for a unit left over. */
  correlation: Float64Array;
  /** The unit it was matched with, of several the weightiest; −1 where there is none. */
  partner: Int32Array;
  /** How many units it was matched with, where that is more than one. */
  used?: Float64Array;
}

/** Each unit with the one that correlates most (semi-matching), of p × q correlations. */
export function bestOfEach(r: Float64Array, q: number): Matching {
  const p = r.length / q;
  const correlation = new Float64Array(p);
  const partner = new Int32Array(p);
  for (let i = 0; i < p; i++) {
    const row = r.subarray(i * q, (i + 1) * q);
    let best = 0;
    for (let j = 1; j < q; j++) if (row[j]! > row[best]!) best = j;
    partner[i] = best;
    correlation[i] = row[best]!;
  }
  return { correlation, partner };
}

/** One to one, of largest total correlation. */
export function oneToOne(r: Float64Array, q: number): Matching {
  const partner = assignment(
    r.map((value) => -value),
    r.length / q,
    q,
  );
  const correlation = Float64Array.from(partner, (j, i) => (j < 0 ? NaN : r[i * q + j]!));
  return { correlation, partner };
}

const largestChange = 1e-10;
const mostSweeps = 10_000;

/**
 * Each unit from several of the other side: min ½·E(a − Σ w_j b_j)² + penalty·Σ|w_j| of standardised
 * units, by coordinate descent on their correlations; the correlation is that of a with Σ w_j b_j.
 * @param r p × q correlations between the sides
 * @param among q × q correlations among the units of the second
 */
export async function oneToMany(
  r: Float64Array,
  among: Float64Array,
  q: number,
  penalty: number,
  step: Step,
): Promise<Matching> {
  const p = r.length / q;
  const correlation = new Float64Array(p);
  const partner = new Int32Array(p).fill(-1);
  const used = new Float64Array(p);
  const weights = new Float64Array(q);
  const rest = new Float64Array(q);
  for (let i = 0; i < p; i++) {
    const own = r.subarray(i * q, (i + 1) * q);
    weights.fill(0);
    rest.set(own);
    descend(weights, rest, among, penalty);
    // ŷ = Bw: ⟨a, ŷ⟩ = w·r and ‖ŷ‖² = w·(r − rest).
    let product = 0;
    let square = 0;
    for (let j = 0; j < q; j++) {
      const weight = weights[j]!;
      if (weight === 0) continue;
      product += weight * own[j]!;
      square += weight * (own[j]! - rest[j]!);
      used[i]! += 1;
      if (partner[i] === -1 || Math.abs(weight) > Math.abs(weights[partner[i]!]!)) partner[i] = j;
    }
    correlation[i] = square > 0 ? Math.min(1, product / Math.sqrt(square)) : 0;
    await step(i / p);
  }
  return { correlation, partner, used };
}

/** `rest` holds what is left to explain, r − R·w. */
function descend(
  weights: Float64Array,
  rest: Float64Array,
  among: Float64Array,
  penalty: number,
): void {
  const q = weights.length;
  const update = (j: number): number => {
    const before = weights[j]!;
    const towards = rest[j]! + before;
    const after = Math.sign(towards) * Math.max(0, Math.abs(towards) - penalty);
    const change = after - before;
    if (change === 0) return 0;
    weights[j] = after;
    const row = among.subarray(j * q, (j + 1) * q);
    for (let k = 0; k < q; k++) rest[k]! -= change * row[k]!;
    return Math.abs(change);
  };
  for (let sweep = 0; sweep < mostSweeps; sweep++) {
    let largest = 0;
    for (let j = 0; j < q; j++) largest = Math.max(largest, update(j));
    if (largest < largestChange) return;
    // Those in use alone until they settle, before all are tried again.
    const active = Array.from(weights.keys()).filter((j) => weights[j] !== 0);
    for (let inner = 0; inner < mostSweeps; inner++) {
      let moved = 0;
      for (const j of active) moved = Math.max(moved, update(j));
      if (moved < largestChange) break;
    }
  }
}
