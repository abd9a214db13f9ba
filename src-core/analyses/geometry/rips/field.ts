/** Arithmetic modulo a prime below 2¹⁶; elements are 0 … p − 1. */
export class Field {
  readonly p: number;
  readonly #inverses: Uint16Array;

  constructor(p: number) {
    this.p = p;
    this.#inverses = new Uint16Array(p);
    if (p > 1) this.#inverses[1] = 1;
    // p = ⌊p/a⌋·a + p mod a, so that a⁻¹ = −⌊p/a⌋·(p mod a)⁻¹.
    for (let a = 2; a < p; a++) {
      this.#inverses[a] = p - ((Math.floor(p / a) * this.#inverses[p % a]!) % p);
    }
  }

  /** The element that a whole number stands for. */
  of(value: number): number {
    const rest = value % this.p;
    return rest < 0 ? rest + this.p : rest;
  }

  inverse(a: number): number {
    return this.#inverses[a]!;
  }
}

export function isPrime(value: number): boolean {
  if (!Number.isInteger(value) || value < 2) return false;
  for (let divisor = 2; divisor * divisor <= value; divisor++) {
    if (value % divisor === 0) return false;
  }
  return true;
}
