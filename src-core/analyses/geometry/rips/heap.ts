/** Simplices with coefficients, the first of the filtration on top: by rank, then by index. */
export class SimplexHeap {
  #ranks = new Int32Array(1024);
  #indices = new Float64Array(1024);
  #coefficients = new Uint16Array(1024);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Of the top. */
  get rank(): number {
    return this.#ranks[0]!;
  }
  get index(): number {
    return this.#indices[0]!;
  }
  get coefficient(): number {
    return this.#coefficients[0]!;
  }

  clear(): void {
    this.#size = 0;
  }

  push(rank: number, index: number, coefficient: number): void {
    if (this.#size === this.#ranks.length) this.#grow();
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#ranks[parent]!;
      if (above < rank || (above === rank && this.#indices[parent]! <= index)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#set(at, rank, index, coefficient);
  }

  pop(): void {
    const last = --this.#size;
    if (last <= 0) return;
    const rank = this.#ranks[last]!;
    const index = this.#indices[last]!;
    const coefficient = this.#coefficients[last]!;
    let at = 0;
    for (let child = 1; child < last; child = 2 * at + 1) {
      if (child + 1 < last && this.#before(child + 1, child)) child++;
      const below = this.#ranks[child]!;
      if (below > rank || (below === rank && this.#indices[child]! >= index)) break;
      this.#move(child, at);
      at = child;
    }
    this.#set(at, rank, index, coefficient);
  }

  #before(a: number, b: number): boolean {
    const difference = this.#ranks[a]! - this.#ranks[b]!;
    return difference < 0 || (difference === 0 && this.#indices[a]! < this.#indices[b]!);
  }

  #move(from: number, to: number): void {
    this.#ranks[to] = this.#ranks[from]!;
    this.#indices[to] = this.#indices[from]!;
    this.#coefficients[to] = this.#coefficients[from]!;
  }

  #set(at: number, rank: number, index: number, coefficient: number): void {
    this.#ranks[at] = rank;
    this.#indices[at] = index;
    this.#coefficients[at] = coefficient;
  }

  #grow(): void {
    const capacity = 2 * this.#ranks.length;
    const [ranks, indices] = [new Int32Array(capacity), new Float64Array(capacity)];
    const coefficients = new Uint16Array(capacity);
    ranks.set(this.#ranks);
    indices.set(this.#indices);
    coefficients.set(this.#coefficients);
    [this.#ranks, this.#indices, this.#coefficients] = [ranks, indices, coefficients];
  }
}
