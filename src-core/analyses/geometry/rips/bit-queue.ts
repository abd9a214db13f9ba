/** A set of whole numbers below `size` that gives back its members in ascending order. */
export class BitQueue {
  /** Level 0 has a bit for each number; a bit of the next says that a word below is not empty. */
  readonly #levels: Uint32Array[] = [];

  constructor(size: number) {
    let words = size;
    do {
      words = Math.max(1, (words + 31) >>> 5);
      this.#levels.push(new Uint32Array(words));
    } while (words > 1);
  }

  add(member: number): void {
    let at = member;
    for (const level of this.#levels) {
      const word = at >>> 5;
      const before = level[word]!;
      level[word] = before | (1 << (at & 31));
      if (before !== 0) return;
      at = word;
    }
  }

  /** Take the least member out; −1 where there is none. */
  take(): number {
    const levels = this.#levels;
    const top = levels.length - 1;
    if (levels[top]![0] === 0) return -1;
    let at = 0;
    for (let depth = top; depth >= 0; depth--) {
      const word = levels[depth]![at]!;
      at = (at << 5) | (31 - Math.clz32(word & -word));
    }
    let place = at;
    for (const level of levels) {
      const word = place >>> 5;
      level[word]! &= ~(1 << (place & 31));
      if (level[word] !== 0) break;
      place = word;
    }
    return at;
  }

  clear(): void {
    while (this.take() >= 0);
  }
}
