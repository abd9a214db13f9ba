import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from '../../random.ts';
import { gaussianRows } from '../../test-support.ts';
import { BitQueue } from './bit-queue.ts';
import { coneApexes } from './cones.ts';
import { EdgeList, type Edges } from './edges.ts';
import { Field, isPrime } from './field.ts';
import { SimplexHeap } from './heap.ts';
import { essentialTriangles } from './lenses.ts';
import { rankTable } from './ranks.ts';
import { fits, SimplexNumbers } from './simplices.ts';
import { orderByKeys } from './sort.ts';

const nothing = () => Promise.resolve();

test('floats are sorted by value, ties in the order given', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(0, 1e-40, 0.1, 1, 1.5, 7e30), { maxLength: 50 }),
      async (values) => {
        const floats = Float32Array.from(values);
        const items = Uint32Array.from(values.keys());
        const keys = new Uint32Array(floats.slice().buffer);
        const { lengths, pairs } = await orderByKeys(keys, items, nothing);
        const expected = Array.from(values.keys()).sort((a, b) => floats[a]! - floats[b]! || a - b);
        expect(Array.from(pairs)).toEqual(expected);
        expect(Array.from(lengths)).toEqual(expected.map((at) => floats[at]!));
      },
    ),
  ));

test('a bit queue gives members back in order', () =>
  fc.assert(
    fc.property(fc.array(fc.nat(40_000), { maxLength: 60 }), (members) => {
      const queue = new BitQueue(40_001);
      for (const member of members) queue.add(member);
      const expected = [...new Set(members)].sort((a, b) => a - b);
      for (const member of expected) expect(queue.take()).toBe(member);
      expect(queue.take()).toBe(-1);
      queue.add(31);
      queue.add(32);
      queue.clear();
      expect(queue.take()).toBe(-1);
    }),
  ));

test('the heap gives the first of the filtration', () =>
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(5), fc.nat(9)), { maxLength: 60 }), (entries) => {
      const heap = new SimplexHeap();
      for (const [rank, index] of entries) heap.push(rank, index, 1);
      const sorted = [...entries].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      for (const entry of sorted) {
        expect([heap.rank, heap.index]).toEqual(entry);
        heap.pop();
      }
      expect(heap.size).toBe(0);
    }),
  ));

describe('fields', () => {
  test.each([2, 3, 5, 7, 101, 65_521])('every element modulo %i has its inverse', (p) => {
    const field = new Field(p);
    const elements = Array.from({ length: p - 1 }, (_, i) => i + 1);
    expect(elements.every((a) => (a * field.inverse(a)) % p === 1)).toBe(true);
    expect([field.of(-1), field.of(p + 1), field.of(2 * p)]).toEqual([p - 1, 1, 0]);
  });
  test('primes', () => {
    const primes = Array.from({ length: 30 }, (_, i) => i - 2).filter(isPrime);
    expect(primes).toEqual([2, 3, 5, 7, 11, 13, 17, 19, 23]);
  });
});

describe('simplices', () => {
  test('have numbers and back, each its own', () => {
    const numbers = new SimplexNumbers(9, 4);
    const vertices = new Int32Array(4);
    const seen = Array.from({ length: 126 }, (_, index) => {
      numbers.vertices(index, 4, vertices);
      expect(numbers.index(vertices, 4)).toBe(index);
      return vertices.join();
    });
    expect(seen[0]).toBe('0,1,2,3');
    expect(seen.at(-1)).toBe('5,6,7,8');
    expect(new Set(seen).size).toBe(126);
  });
  test('fit below 2⁵³', () => {
    // C(4000, 5) = 8.5e15 and C(5000, 5) = 2.6e16.
    expect([fits(4000, 5), fits(5000, 5), fits(65_535, 3)]).toEqual([true, false, true]);
  });
});

/** A random graph, with lengths of few values. */
async function graph(n: number, seed: number): Promise<Edges> {
  const random = new Random(seed);
  const list = new EdgeList(0);
  const rows = gaussianRows(n, 2, seed);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const length = Math.hypot(rows[i]![0]! - rows[j]![0]!, rows[i]![1]! - rows[j]![1]!);
      if (random.uniform() < 0.8) list.add(i, j, Math.ceil(length * 4) / 4);
    }
  }
  return list.sorted(
    n,
    2,
    Uint16Array.from({ length: n }, (_, i) => n - 1 - i),
    nothing,
  );
}

const ends = ({ pairs }: Edges, rank: number) =>
  [pairs[rank]! >>> 16, pairs[rank]! & 0xffff] as const;

/** The lens of an edge, by its definition. */
function lensOf(edges: Edges, rank: number) {
  const near = (a: number, b: number) =>
    Array.from({ length: rank }, (_, r) => ends(edges, r)).some(
      ([i, j]) => (i === a && j === b) || (i === b && j === a),
    );
  const [i, j] = ends(edges, rank);
  const members = Array.from({ length: edges.n }, (_, k) => k).filter(
    (k) => near(i, k) && near(j, k),
  );
  return { members, near };
}

const graphs = [graph(4, 1), graph(13, 2), graph(16, 3), graph(16, 4)];

test.each([0, 1, 2, 3])(
  'graph %i: lengths ascend up to the threshold, vertices are renamed',
  async (at) => {
    const { lengths, count } = await graphs[at]!;
    expect(Array.from(lengths)).toEqual(Array.from(lengths).sort((a, b) => a - b));
    expect(count).toBe(lengths.length);
    expect(lengths.at(-1)).toBeLessThanOrEqual(2);
  },
);

test.each([0, 1, 2, 3])('graph %i: every edge is found by its ends', async (at) => {
  const edges = await graphs[at]!;
  // The same edges among very many vertices go into a hash table.
  for (const n of [edges.n, 60_000]) {
    const rankOf = await rankTable({ ...edges, n }, nothing);
    let found = 0;
    for (let i = 0; i < edges.n; i++) {
      for (let j = 0; j < edges.n; j++) {
        const rank = i === j ? -1 : rankOf(i, j);
        if (rank < 0) continue;
        expect([...ends(edges, rank)].sort((a, b) => a - b)).toEqual([
          Math.min(i, j),
          Math.max(i, j),
        ]);
        found++;
      }
    }
    expect(found).toBe(2 * edges.count);
  }
});

test.each([0, 1, 2, 3])('graph %i: one triangle for each component of a lens', async (at) => {
  const edges = await graphs[at]!;
  const { count, edges: ranks, apexes } = await essentialTriangles(edges, nothing);
  const found = Array.from({ length: count }, (_, t) => [ranks[t]!, apexes[t]!]);
  const expected: number[][] = [];
  for (let rank = 0; rank < edges.count; rank++) {
    const { members, near } = lensOf(edges, rank);
    const left = new Set(members);
    for (const start of members) {
      if (!left.delete(start)) continue;
      expected.push([rank, start]);
      const queue = [start];
      for (let v = queue.pop(); v !== undefined; v = queue.pop()) {
        for (const other of [...left]) {
          if (near(v, other) && left.delete(other)) queue.push(other);
        }
      }
    }
  }
  expect(found).toEqual(expected);
});

test.each([0, 1, 2, 3])('graph %i: an apex is near all others of its lens', async (at) => {
  const edges = await graphs[at]!;
  const apexes = await coneApexes(edges, nothing);
  for (let rank = 0; rank < edges.count; rank++) {
    const { members, near } = lensOf(edges, rank);
    const apex = members.find((k) => members.every((other) => other === k || near(k, other)));
    expect(apexes[rank]).toBe(apex ?? -1);
  }
});
