import type { Step } from './eigen.ts';
import { reflectedRows, rowGram } from './products.ts';
import { backwards, blockFactor, type Reflections } from './reflections.ts';
import { Workspace } from './workspace.ts';

/** Vectors that are factored before their reflections reach the others. */
const panelSize = 32;

/**
 * Householder's QR factors of the m × n matrix, m ≥ n, whose columns are the rows of `columns`
 * (n × m, overwritten): R, n × n, and reflections that turn [X; 0] into Q·X.
 */
export async function factorColumns(
  columns: Float64Array,
  m: number,
  n: number,
  step: Step,
): Promise<{ r: Float64Array; reflections: Reflections }> {
  const height = m + (m % 2);
  const stride = height * Float64Array.BYTES_PER_ELEMENT;
  const r = new Float64Array(n * n);
  const taus = new Float64Array(n);
  for (let first = 0; first < n; first += panelSize) {
    const count = Math.min(panelSize, n - first);
    const end = first + count;
    const v = new Float64Array(count * m);
    const workspace = new Workspace([count * height, count, count]);
    try {
      const vectors = workspace.array(count * height);
      const [diagonal, factors] = [workspace.array(count), workspace.array(count)];
      for (let i = 0; i < count; i++) {
        const row = columns.subarray((first + i) * m, (first + i + 1) * m);
        vectors.data.set(row, i * height);
      }
      const to = [diagonal.address, factors.address] as const;
      workspace.kernels.factorPanel(vectors.address, stride, count, first, m, ...to);
      for (let i = 0; i < count; i++) {
        const k = first + i;
        const row = vectors.data.subarray(i * height, i * height + m);
        for (let j = 0; j < k; j++) r[j * n + k] = row[j]!;
        r[k * n + k] = diagonal.data[i]!;
        v.set(row.subarray(k), i * m + k);
        columns.set(row, k * m);
      }
      taus.set(factors.data, first);
    } finally {
      workspace.release();
    }
    if (end < n) {
      const t = blockFactor(await rowGram(v, count), taus.subarray(first, end));
      await reflectedRows(columns.subarray(end * m), v, t, n - end, count, m);
    }
    await step(end / n);
  }
  const vector = (k: number) => columns.subarray(k * m, (k + 1) * m);
  return { r, reflections: backwards(n, m, 0, vector, taus) };
}
