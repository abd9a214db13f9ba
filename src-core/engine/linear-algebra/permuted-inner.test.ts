import { expect, test } from 'vitest';
import { permutedInner } from './permuted-inner.ts';
import { fixtureMatrix, multiply, transposed } from './test-support.ts';

test.each([1, 2, 3, 10, 11])('tr(K·PLPᵀ), size %d', (n) => {
  const symmetric = (seed: number) => {
    const half = fixtureMatrix(n, n, seed);
    return multiply(half, transposed(half, n, n), n, n, n);
  };
  const [k, l] = [symmetric(1), symmetric(2)];
  const order = Int32Array.from({ length: n }, (_, i) => (i * 7 + 3) % n);
  const p = new Float64Array(n * n);
  order.forEach((from, to) => (p[to * n + from] = 1));
  const turned = multiply(multiply(p, l, n, n, n), transposed(p, n, n), n, n, n);
  const product = multiply(k, turned, n, n, n);
  let trace = 0;
  for (let i = 0; i < n; i++) trace += product[i * n + i]!;
  expect(permutedInner(k, l, n, order)).toBeCloseTo(trace, 11);
});
