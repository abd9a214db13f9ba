/** Depth at which points are taken for one: copies would split a cell for ever. */
const deepest = 48;

/**
 * Sums of forces that fall as (1 + r²)⁻², approximated by cells of a tree that halves space along
 * every axis (Barnes and Hut 1986; van der Maaten 2014): a cell whose width is less than `theta`
 * times its distance acts as one point at its centre of mass.
 */
export class BarnesHutTree {
  readonly #dims: number;
  readonly #points: Float64Array;
  readonly #theta: number;
  readonly #branches: number;
  // One entry a cell; a cell without children is a leaf of one place.
  #count: Int32Array;
  #children: Int32Array;
  #mass: Float64Array;
  #width: Float64Array;
  #centre: Float64Array;
  #cells = 0;
  readonly #stack: Int32Array;

  /** @param points n × dims, dims 1 to 3 */
  constructor(points: Float64Array, dims: number, theta: number) {
    this.#points = points;
    this.#dims = dims;
    this.#theta = theta;
    this.#branches = 2 ** dims;
    const room = (2 * points.length) / dims + 64;
    this.#count = new Int32Array(room);
    this.#children = new Int32Array(room * this.#branches);
    this.#mass = new Float64Array(room * dims);
    this.#width = new Float64Array(room);
    this.#centre = new Float64Array(room * dims);
    this.#stack = new Int32Array(deepest * this.#branches + this.#branches);
    this.#build();
  }

  #build(): void {
    const [points, dims] = [this.#points, this.#dims];
    const n = points.length / dims;
    let half = 0;
    const middle = new Float64Array(dims);
    for (let c = 0; c < dims; c++) {
      let [low, high] = [Infinity, -Infinity];
      for (let at = c; at < points.length; at += dims) {
        low = Math.min(low, points[at]!);
        high = Math.max(high, points[at]!);
      }
      middle[c] = (low + high) / 2;
      half = Math.max(half, (high - low) / 2);
    }
    // A little wider, so that no point lies on the border.
    this.#cell(middle, half * (1 + 1e-6) + Number.MIN_VALUE);
    for (let i = 0; i < n; i++) this.#insert(i);
  }

  #cell(centre: ArrayLike<number>, width: number): number {
    const at = this.#cells++;
    if (at >= this.#count.length) this.#grow();
    this.#width[at] = width;
    for (let c = 0; c < this.#dims; c++) this.#centre[at * this.#dims + c] = centre[c]!;
    return at;
  }

  #grow(): void {
    const room = 2 * this.#count.length;
    const larger = <T extends Int32Array | Float64Array>(old: T, length: number): T => {
      const array = new (old.constructor as new (length: number) => T)(length);
      array.set(old);
      return array;
    };
    this.#count = larger(this.#count, room);
    this.#children = larger(this.#children, room * this.#branches);
    this.#mass = larger(this.#mass, room * this.#dims);
    this.#width = larger(this.#width, room);
    this.#centre = larger(this.#centre, room * this.#dims);
  }

  /** Walk down from the root; a leaf that is taken passes its point on to a cell below. */
  #insert(point: number): void {
    const [points, dims] = [this.#points, this.#dims];
    let cell = 0;
    for (let depth = 0; ; depth++) {
      const before = this.#count[cell]!;
      // A leaf's mass is its place: where a second point comes, it moves down.
      if (before > 0 && depth < deepest && this.#isLeaf(cell)) this.#push(cell);
      const count = ++this.#count[cell]!;
      for (let c = 0; c < dims; c++) {
        const at = cell * dims + c;
        this.#mass[at]! += (points[point * dims + c]! - this.#mass[at]!) / count;
      }
      if (before === 0 || depth >= deepest) return;
      cell = this.#below(cell, points, point * dims);
    }
  }

  #isLeaf(cell: number): boolean {
    const start = cell * this.#branches;
    for (let b = start; b < start + this.#branches; b++) if (this.#children[b] !== 0) return false;
    return true;
  }

  #push(cell: number): void {
    const place = this.#mass.slice(cell * this.#dims, (cell + 1) * this.#dims);
    const child = this.#below(cell, place, 0);
    this.#count[child] = this.#count[cell]!;
    this.#mass.set(place, child * this.#dims);
  }

  /** The child of a cell that holds a place; made where there is none. */
  #below(cell: number, places: Float64Array, at: number): number {
    const dims = this.#dims;
    let branch = 0;
    for (let c = 0; c < dims; c++) {
      if (places[at + c]! > this.#centre[cell * dims + c]!) branch += 1 << c;
    }
    const slot = cell * this.#branches + branch;
    if (this.#children[slot] !== 0) return this.#children[slot]!;
    const width = this.#width[cell]! / 2;
    const centre = Array.from(
      { length: dims },
      (_, c) => this.#centre[cell * dims + c]! + (branch & (1 << c) ? width : -width),
    );
    const child = this.#cell(centre, width);
    this.#children[slot] = child;
    return child;
  }

  /**
   * Add Σ_j (y_i − y_j)/(1 + r²)² over the others to `force`.
   * @returns Σ_j 1/(1 + r²)
   */
  repulsion(i: number, force: Float64Array): number {
    const [points, dims, stack] = [this.#points, this.#dims, this.#stack];
    const limit = this.#theta * this.#theta;
    const own = i * dims;
    let top = 0;
    let total = 0;
    stack[top++] = 0;
    while (top > 0) {
      const cell = stack[--top]!;
      let square = 0;
      for (let c = 0; c < dims; c++) {
        square += (points[own + c]! - this.#mass[cell * dims + c]!) ** 2;
      }
      const width = 2 * this.#width[cell]!;
      if (!this.#isLeaf(cell) && width * width >= limit * square) {
        const start = cell * this.#branches;
        for (let b = start; b < start + this.#branches; b++) {
          if (this.#children[b] !== 0) stack[top++] = this.#children[b]!;
        }
        continue;
      }
      // A leaf on the point itself holds it, and its copies: they exert no force on it.
      const others = square === 0 ? this.#count[cell]! - 1 : this.#count[cell]!;
      const near = 1 / (1 + square);
      total += others * near;
      const strength = others * near * near;
      for (let c = 0; c < dims; c++) {
        force[c]! += strength * (points[own + c]! - this.#mass[cell * dims + c]!);
      }
    }
    return total;
  }
}
