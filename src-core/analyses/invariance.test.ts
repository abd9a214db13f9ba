import { describe, expect, test } from 'vitest';
import {
  transformations,
  type AnalysisDefinition,
  type Side,
  type Transformation,
} from './definition.ts';
import { Random } from './random.ts';
import { analyses, parseParams } from './registry.ts';
import { matrixOf, multiply, orthogonal, plain, run, type Rows } from './test-support.ts';

const samples = 26;
const units = 5;
/** Parameters that suit so few samples. */
const params: Record<string, Record<string, unknown>> = {
  'intrinsic-dim': { discard: 0 },
  'length-collapse': { bins: 2 },
};

/** Rows of three clusters that share directions of different strength. */
function cloud(n: number, d: number, seed: number): number[][] {
  const random = new Random(seed);
  const centres = matrixOf(3, d, () => 1.5 * random.gaussian());
  const strengths = Array.from({ length: d }, (_, j) => 1 / (1 + j));
  const mixing = orthogonal(d, seed + 1);
  const own = matrixOf(n, d, (_, j) => random.gaussian() * strengths[j]!);
  return multiply(own, mixing).map((row, i) => row.map((value, j) => value + centres[i % 3]![j]!));
}

type Change = (rows: Rows) => number[][];

/** A random transformation of one kind. */
function change(kind: Transformation, d: number, seed: number): Change {
  const random = new Random(seed);
  const shift = Array.from({ length: d }, () => 3 * random.gaussian());
  const factor = Math.exp(random.gaussian());
  const order = random.permutation(d);
  const rotation = orthogonal(d, seed + 1);
  // Singular values from 1/2 to 2: far from a rotation, and far from singular.
  const stretch = orthogonal(d, seed + 2).map((row, i) =>
    row.map((value) => value * 2 ** ((2 * i) / (d - 1) - 1)),
  );
  const linear: Change = (rows) => multiply(multiply(rows, rotation), stretch);
  const translation: Change = (rows) => rows.map((row) => row.map((v, j) => v + shift[j]!));
  const changes: Record<Transformation, Change> = {
    permutation: (rows) => rows.map((row) => Array.from(order, (at) => row[at]!)),
    orthogonal: (rows) => multiply(rows, rotation),
    scaling: (rows) => rows.map((row) => row.map((value) => value * factor)),
    translation,
    linear,
    affine: (rows) => translation(linear(rows)),
  };
  return changes[kind];
}

/** Inputs of the kind that an analysis takes, the first (of two sets both) changed. */
function inputs(definition: AnalysisDefinition, seed: number, of: Change) {
  const { id, arity, relation, labels } = definition;
  const settings = parseParams(definition, params[id] ?? {});
  const input =
    typeof definition.input === 'function' ? definition.input(settings) : definition.input;
  const classes = (n: number) => Array.from({ length: n }, (_, i) => 'abc'[i % 3]!);
  const side = (name: string, rows: Rows): Side => ({
    ...plain(name, rows),
    ...(labels ? { labels: classes(rows.length) } : {}),
    ...(input === 'tokens' ? { sequences: Uint32Array.of(0, 4, 8, 16, rows.length) } : {}),
  });
  const first = cloud(samples, units, seed);
  if (arity === 1) return [side('x', of(first))];
  const noise = new Random(seed + 7);
  const second = first.map((row) => row.map((value) => value + noise.gaussian()));
  switch (relation ?? 'samples') {
    case 'samples':
    case 'series':
      return [side('x', of(first)), side('y', second)];
    case 'layers':
      return [side('x', of(first)), side('y', of(second))];
    case 'sets':
      return [side('x', of(first)), side('y', of(cloud(samples - 4, units, seed + 8)))];
    case 'reference':
      return [side('x', of(first)), plain('responses', multiply(second, orthogonal(units, seed)))];
  }
  return [];
}

async function headline(definition: AnalysisDefinition, seed: number, of: Change) {
  const sides = inputs(definition, seed, of);
  const { values } = await run(definition, sides, params[definition.id]);
  return [values[definition.headline]!].flat(3).map(Number);
}

/** Alike but for rounding: angles near zero lose half of their digits to an arc cosine. */
const alike = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length &&
  a.every((value, at) => Math.abs(value - b[at]!) <= 1e-6 * (1 + Math.abs(value)));

const same: Change = (rows) => rows.map((row) => [...row]);
const seeds = [1, 2, 3, 4];

const checked = analyses.filter(({ invariantTo }) => invariantTo !== undefined);

describe.each(checked.map((definition) => [definition.id, definition] as const))(
  '%s',
  (_, definition) => {
    test.each(transformations)(
      'keeps its value under %s exactly where it says so',
      async (kind) => {
        const kept: boolean[] = [];
        for (const seed of seeds) {
          const before = await headline(definition, seed, same);
          const after = await headline(definition, seed, change(kind, units, seed + 100));
          kept.push(alike(before, after));
        }
        // A claim must hold always; what is not claimed must fail at least once.
        expect(kept.every(Boolean), JSON.stringify(kept)).toBe(
          definition.invariantTo!.includes(kind),
        );
      },
    );
  },
);
