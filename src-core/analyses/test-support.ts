import { readFileSync } from 'node:fs';
import { createEngine, type Engine } from '../engine/device-engine.ts';
import { Matrix } from '../tensor/matrix.ts';
import { openMatrix } from '../tensor/matrix-file.ts';
import type { AnalysisContext, AnalysisDefinition, Outcome, Side } from './definition.ts';
import { Random } from './random.ts';
import { findAnalysis, parseParams } from './registry.ts';

// What tests of analyses share; no product code imports it.

let engine: Promise<Engine> | undefined;
export const cpuEngine = () => (engine ??= createEngine('cpu'));

export function formulaFixture(name: string): unknown {
  const url = new URL(`../../test/fixtures/formulas/${name}`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8'));
}

export type Rows = readonly (readonly number[])[];
type FloatArray = typeof Float32Array | typeof Float64Array;

export function layer(label: string, rows: Rows, type: FloatArray = Float64Array) {
  const matrix = new Matrix(rows.length, rows[0]!.length, type.from(rows.flat()));
  return Object.assign(matrix, { label });
}

export const plain = (name: string, rows: Rows, type?: FloatArray): Side => ({
  name,
  layered: false,
  layers: [layer(name, rows, type)],
});

export const model = (name: string, layers: Record<string, Rows>): Side => ({
  name,
  layered: true,
  layers: Object.entries(layers).map(([label, rows]) => layer(label, rows)),
});

/** A context on the processor that keeps no warnings, with what a test changes. */
export const context = async (
  changes: Partial<AnalysisContext> = {},
): Promise<AnalysisContext> => ({
  engine: await cpuEngine(),
  warn: () => undefined,
  memoryLimit: 2 ** 30,
  open: (spec) => openMatrix(spec, process.cwd()),
  step: () => Promise.resolve(),
  ...changes,
});

export interface Ran extends Outcome {
  warnings: string[];
  steps: number[];
}

/** Run an analysis, of the registry or given as it is. */
export async function run(
  analysis: string | AnalysisDefinition,
  sides: readonly Side[],
  params: Record<string, unknown> = {},
  step: () => Promise<void> = () => Promise.resolve(),
): Promise<Ran> {
  const warnings: string[] = [];
  const steps: number[] = [];
  const definition = typeof analysis === 'string' ? findAnalysis(analysis) : analysis;
  const outcome = await definition.run(
    sides,
    parseParams(definition, params),
    await context({
      warn: (message) => void warnings.push(message),
      step: (fraction) => {
        steps.push(fraction);
        return step();
      },
    }),
  );
  return { ...outcome, warnings, steps };
}

export const matrixOf = (
  n: number,
  d: number,
  value: (i: number, j: number) => number,
): number[][] =>
  Array.from({ length: n }, (_, i) => Array.from({ length: d }, (_, j) => value(i, j)));

export function gaussianRows(n: number, d: number, seed: number): number[][] {
  const random = new Random(seed);
  return matrixOf(n, d, () => random.gaussian());
}

export const multiply = (a: Rows, b: Rows): number[][] =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, value, k) => sum + value * b[k]![j]!, 0)));

/** A random rotation or reflection: Gram and Schmidt on Gaussian rows. */
export function orthogonal(d: number, seed: number): number[][] {
  const basis: number[][] = [];
  for (const row of gaussianRows(d, d, seed)) {
    let rest = row;
    // Twice is enough (Kahan).
    for (let pass = 0; pass < 2; pass++) {
      for (const unit of basis) {
        const along = rest.reduce((sum, value, j) => sum + value * unit[j]!, 0);
        rest = rest.map((value, j) => value - along * unit[j]!);
      }
    }
    const length = Math.hypot(...rest);
    basis.push(rest.map((value) => value / length));
  }
  return basis;
}

export const shuffled = <T>(items: readonly T[], seed: number): T[] =>
  Array.from(new Random(seed).permutation(items.length), (at) => items[at]!);
