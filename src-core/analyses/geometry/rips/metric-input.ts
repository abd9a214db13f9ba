import { z } from 'zod';
import { UserError } from '../../../errors.ts';
import type { AnalysisContext, NamedRows } from '../../definition.ts';
import { checkRows } from '../../layers.ts';
import { requireMemory } from '../../memory.ts';
import { euclidean, tabulated, type Metric } from './distances.ts';

/** Parameter of analyses that need no more than distances. */
export const metricInput = z
  .enum(['points', 'distances'])
  .default('points')
  .describe('Rows are samples, or the n × n matrix of their distances');

/** Relative to the largest distance. */
const tolerance = 1e-6;

/**
 * The distances of a layer, Euclidean or as given.
 * @throws UserError where a matrix of distances is not one, or the layer is too large.
 */
export async function metricOf(
  layer: NamedRows,
  input: z.infer<typeof metricInput>,
  context: AnalysisContext,
): Promise<Metric> {
  const rows = await checkRows(layer, context, 1);
  const { n, d, label } = rows;
  requireMemory(
    context,
    8 * n * d,
    `${label}: ${n} × ${d} values`,
    'use a probe with fewer samples',
  );
  if (input === 'points') return euclidean(rows, context.engine);
  if (n !== d) throw notDistances(label, `is ${n} × ${d}, and a matrix of distances is square`);
  const matrix = (await rows.uncentred('float64').rows(0, n)) as Float64Array;
  const largest = matrix.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const value = matrix[i * n + j]!;
      const mirrored = matrix[j * n + i]!;
      const where = `in row ${i}, column ${j}`;
      if (value < 0) throw notDistances(label, `holds ${value} ${where}`);
      if (i === j && value !== 0) throw notDistances(label, `holds ${value}, not 0, ${where}`);
      if (Math.abs(value - mirrored) > tolerance * largest) {
        throw notDistances(label, `holds ${value} ${where} and ${mirrored} the other way round`);
      }
      // One value for both ways, to the last bit.
      matrix[j * n + i] = value;
    }
  }
  return tabulated(matrix, n);
}

const notDistances = (label: string, what: string) =>
  new UserError(
    'wrong-shape',
    label,
    what,
    'give a symmetric matrix of distances with zeros on the diagonal, or input=points',
  );
