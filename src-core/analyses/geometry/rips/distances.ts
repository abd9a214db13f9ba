import type { Engine } from '../../../engine/device-engine.ts';
import { distances } from '../../../engine/kernels.ts';
import { blocks } from '../../blocks.ts';
import type { CheckedRows } from '../../layers.ts';

/** Distances between n points: of points i with those before it. */
export interface Metric {
  readonly n: number;
  /** Calls `visit` once for every point, in order; `distances` holds those to 0 … i − 1. */
  each(
    visit: (i: number, distances: Float64Array) => void,
    step: (fraction: number) => Promise<void>,
  ): Promise<void>;
  /** Distances from point i to all. */
  from(i: number): Float64Array;
  /** Of some of the points, in the order given. */
  restrict(points: Int32Array): Metric;
}

/** Multiply-adds between two calls of `step`. */
const work = 5e7;
/** Up to this many units differences are as fast as products. */
const fewUnits = 24;
/** Squared distances below this share of the squared norms are measured again as differences. */
const cancelled = 1e-5;

/** Euclidean distances, as good as differences in float64 have them. */
export async function euclidean(rows: CheckedRows, engine: Engine): Promise<Metric> {
  const points = (await rows.centred('float64').rows(0, rows.n)) as Float64Array;
  return betweenRows(points, rows.d, engine);
}

function betweenRows(points: Float64Array, d: number, engine: Engine): Metric {
  const n = points.length / d;
  const squared = (i: number, j: number) => {
    let sum = 0;
    for (let a = i * d, b = j * d, end = a + d; a < end; a++, b++) {
      sum += (points[a]! - points[b]!) ** 2;
    }
    return sum;
  };
  const norms = Float64Array.from({ length: n }, (_, i) => {
    let sum = 0;
    for (let a = i * d; a < (i + 1) * d; a++) sum += points[a]! ** 2;
    return sum;
  });
  return {
    n,
    from: (i) => Float64Array.from({ length: n }, (_, j) => Math.sqrt(squared(i, j))),
    restrict(chosen) {
      const rows = new Float64Array(chosen.length * d);
      chosen.forEach((i, at) => rows.set(points.subarray(i * d, (i + 1) * d), at * d));
      return betweenRows(rows, d, engine);
    },
    async each(visit, step) {
      const row = new Float64Array(n);
      for (const [start, end] of blocks(
        n,
        Math.max(1, Math.min(512, Math.floor(work / (n * d)))),
      )) {
        const products =
          d > fewUnits
            ? await distances(
                engine,
                d,
                points.subarray(start * d, end * d),
                points.subarray(0, end * d),
              )
            : undefined;
        for (let i = start; i < end; i++) {
          const offset = (i - start) * end;
          for (let j = 0; j < i; j++) {
            const square = products?.[offset + j];
            row[j] = Math.sqrt(
              square === undefined || square < cancelled * (norms[i]! + norms[j]!)
                ? squared(i, j)
                : square,
            );
          }
          visit(i, row.subarray(0, i));
        }
        await step(end / n);
      }
    },
  };
}

/** The distances of an n × n matrix, of which the lower triangle is read. */
export function tabulated(matrix: Float64Array, n: number): Metric {
  return {
    n,
    from: (i) => matrix.subarray(i * n, (i + 1) * n),
    restrict(chosen) {
      const size = chosen.length;
      const part = Float64Array.from({ length: size * size }, (_, at) => {
        const [i, j] = [chosen[Math.floor(at / size)]!, chosen[at % size]!];
        return matrix[i * n + j]!;
      });
      return tabulated(part, size);
    },
    async each(visit, step) {
      for (let i = 0; i < n; i++) {
        visit(i, matrix.subarray(i * n, i * n + i));
        if (i % 512 === 0) await step(i / n);
      }
    },
  };
}
