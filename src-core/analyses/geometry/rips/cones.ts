import type { Edges } from './edges.ts';

/** Edges looked at between two calls of `step`. */
const edgesPerStep = 1 << 13;

/**
 * For each edge a vertex of its lens that is near all others of the lens, as shorter edges have it;
 * −1 where there is none.
 *
 * With such an apex the lens is a cone, and the edge changes the complex by nothing but what can be
 * shrunk again: every simplex of which it is the longest edge is in a pair with the one that has the
 * apex besides. Of the simplices of one degree, those with the apex are enough: the boundary of any
 * other is a sum of theirs and of earlier ones, by the simplex that has the apex too.
 */
export async function coneApexes(
  { n, count, pairs }: Edges,
  step: (fraction: number) => Promise<void>,
): Promise<Int32Array> {
  const words = (n + 31) >>> 5;
  const near = new Uint32Array(n * words);
  const lens = new Uint32Array(words);
  const apexes = new Int32Array(count).fill(-1);
  for (let rank = 0; rank < count; rank++) {
    const pair = pairs[rank]!;
    const [i, j] = [pair >>> 16, pair & 0xffff];
    for (let w = 0; w < words; w++) lens[w] = near[i * words + w]! & near[j * words + w]!;
    apexes[rank] = apexOf(lens, near);
    near[i * words + (j >>> 5)]! |= 1 << (j & 31);
    near[j * words + (i >>> 5)]! |= 1 << (i & 31);
    if (rank % edgesPerStep === 0) await step(rank / count);
  }
  return apexes;
}

function apexOf(lens: Uint32Array, near: Uint32Array): number {
  const words = lens.length;
  for (let w = 0; w < words; w++) {
    for (let rest = lens[w]!; rest !== 0; rest &= rest - 1) {
      const apex = (w << 5) | (31 - Math.clz32(rest & -rest));
      const row = apex * words;
      let at = 0;
      while (at < words) {
        const missed = lens[at]! & ~near[row + at]!;
        if (missed !== 0 && (at !== w || missed !== (rest & -rest))) break;
        at++;
      }
      if (at === words) return apex;
    }
  }
  return -1;
}
