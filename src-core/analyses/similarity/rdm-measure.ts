import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { Real } from '../../results/schema.ts';
import type { RowSource } from '../../tensor/matrix.ts';
import { columnsOf } from '../blocks.ts';
import { classesOf } from '../classes.ts';
import type { AnalysisContext, NamedRows, Side } from '../definition.ts';
import type { CheckedRows } from '../layers.ts';
import { mean, real } from '../statistics.ts';
import type { PairMeasure } from './pairs.ts';
import type { Comparison, Pause } from './rdm-compare.ts';
import { passOverConstant, residualCovariance, whitening } from './rdm-noise.ts';
import { ceilingTable, rdmPicture, rdmViews, type RdmPicture } from './rdm-views.ts';
import {
  ChangedRows,
  dissimilarities,
  pairCount,
  unitRows,
  type Dissimilarity,
  type DistanceKind,
  type Step,
} from './rdm.ts';

export const shrinkage = z
  .enum(['auto', 'diag', 'none'])
  .default('auto')
  .describe(
    'mahalanobis and crossnobis only: shrink the covariance of the noise towards its diagonal; auto does for repeats, and for plain samples where they do not outnumber the units',
  );

export interface RdmSettings {
  rdm: DistanceKind;
  shrinkage: z.infer<typeof shrinkage>;
  comparison: Comparison<unknown>;
  /** Change dissimilarities before they are compared. */
  transform?: (found: Float64Array, n: number, label: string, step: Step) => Promise<Float64Array>;
  /** Whether there are permutations, which take memory. */
  permuting: boolean;
  bootstrapping: boolean;
  /** Of the dissimilarities that are compared, for pictures. */
  unit: string;
  /** Text of the value on axes. */
  name: string;
}

/** What is kept of a layer. */
interface PreparedRdm {
  /** Absent where dissimilarities have no value. */
  compared: unknown;
  /** The same of each repeat, where there are repeats and they have distances of their own. */
  repeats?: unknown[];
  noiseCeiling?: [lower: Real, upper: Real];
  picture?: RdmPicture;
}

export const leastStimuli = 4;

/** Dissimilarities between the samples of each layer, compared between layers. */
export function rdmMeasure(
  sides: readonly Side[],
  settings: RdmSettings,
  context: AnalysisContext,
): PairMeasure<PreparedRdm> {
  const { rdm, comparison, transform, permuting, bootstrapping, name, unit } = settings;
  const warned = new Set<string>();
  const warn = (message: string) => {
    if (!warned.has(message)) context.warn(message);
    warned.add(message);
  };
  const layers = sides.flatMap((side) => side.layers);
  const mostRepeats = Math.max(1, ...layers.map((layer) => shapeOf(layer).repeats));
  const ceilings = mostRepeats > 1 && rdm !== 'crossnobis';
  const labelled = sides.find(({ labels }) => labels !== undefined);
  const classes = labelled && classesOf(labelled, 1);
  const pictured = sides.length === 2 && !sides.some(({ layered }) => layered);
  const prepare = async (found: Float64Array, n: number, pause: Pause) =>
    found.some(Number.isNaN) ? undefined : comparison.prepare(found, n, pause);
  const similarityOf = (a: unknown, b: unknown, pause: Pause) =>
    a === undefined || b === undefined ? NaN : comparison.similarity(a, b, pause);
  return {
    key: 'similarity',
    name,
    range: [-1, 1],
    leastSamples: leastStimuli,
    bytes: ({ n }) =>
      (ceilings ? 1 + mostRepeats : 1) * comparison.bytes(n, permuting) +
      8 * pairCount(n) * (bootstrapping ? 2 : 1),
    async prepare(rows, layer, step) {
      const pause = () => step(0);
      const form = await formOf(rows, layer, settings, context, warn, step);
      const measured = async (how: Dissimilarity, label: string) => {
        const found = await dissimilarities(context.engine, how, step);
        return transform ? transform(found, rows.n, label, step) : found;
      };
      const found = await measured(form.whole, rows.label);
      const picture = pictured ? { picture: rdmPicture(found, rows.n, classes) } : {};
      if (found.every((value) => value === found[0])) {
        warn(`${rows.label}: all samples are equally dissimilar, so its values are null`);
      }
      const compared = await prepare(found, rows.n, pause);
      if (!ceilings || form.repeats.length === 0) return { compared, ...picture };
      const repeats: unknown[] = [];
      for (const [at, how] of form.repeats.entries()) {
        const own = await measured(how, `${rows.label}, repeat ${at + 1}`);
        repeats.push(await prepare(own, rows.n, pause));
      }
      if (repeats.includes(undefined)) return { compared, ...picture };
      const noiseCeiling = await ceilingOf(comparison, repeats, rows.n, pause);
      return { compared, ...picture, repeats, noiseCeiling };
    },
    async compare(a, b, step) {
      const pause = () => step(0);
      const similarity = await similarityOf(a.compared, b.compared, pause);
      if (!ceilings) return { similarity };
      const beside = async (data: PreparedRdm, other: PreparedRdm) => {
        const single: number[] = [];
        for (const repeat of data.repeats ?? []) {
          single.push(await similarityOf(other.compared, repeat, pause));
        }
        return {
          similarity,
          repeatSimilarity: single.length > 0 ? mean(single) : NaN,
          noiseCeiling: data.noiseCeiling ?? null,
        };
      };
      const [forward, backward] = [b.repeats ? b : a, a.repeats ? a : b];
      return [
        await beside(forward, forward === b ? a : b),
        await beside(backward, backward === a ? b : a),
      ];
    },
    score: (a, b, step) => similarityOf(a.compared, b.compared, () => step(0)),
    permute: (b, order) => ({
      ...b,
      compared: b.compared && comparison.permute(b.compared, order),
    }),
    async resample(a, samples, step) {
      const counts = new Float64Array(samples.length);
      for (const sample of samples) counts[sample]! += 1;
      const { compared } = a;
      if (compared === undefined) return a;
      return { ...a, compared: await comparison.resample(compared, counts, () => step(0)) };
    },
    views: (values, a, b, labels) => [
      ...(ceilings ? [ceilingTable(values)] : []),
      ...rdmViews([a.picture!, b.picture!], labels, unit),
    ],
  };
}

/** Repeats of each sample and units of each. */
export function shapeOf({ d, sample, label }: NamedRows): { repeats: number; units: number } {
  if (sample === undefined) return { repeats: 1, units: d };
  const [repeats, units, ...more] = sample;
  if (repeats === undefined || units === undefined || more.length > 0) {
    throw new UserError(
      'wrong-shape',
      label,
      `has ${sample.length + 1} axes, and samples × units or samples × repeats × units are taken`,
      'flatten or select the other axes first',
    );
  }
  return { repeats, units };
}

/** Dissimilarities of the samples of a layer; of their means where there are repeats. */
export async function dissimilaritiesOf(
  rows: CheckedRows,
  layer: NamedRows,
  how: Pick<RdmSettings, 'rdm' | 'shrinkage'>,
  context: AnalysisContext,
  step: Step,
): Promise<Float64Array> {
  const warn = (message: string) => context.warn(message);
  const { whole } = await formOf(rows, layer, how, context, warn, step);
  return dissimilarities(context.engine, whole, step);
}

interface Forms {
  whole: Dissimilarity;
  /** Of each repeat alone. */
  repeats: Dissimilarity[];
}

async function formOf(
  rows: CheckedRows,
  layer: NamedRows,
  { rdm, shrinkage }: Pick<RdmSettings, 'rdm' | 'shrinkage'>,
  context: AnalysisContext,
  warn: (message: string) => void,
  step: Step,
): Promise<Forms> {
  const { repeats, units } = shapeOf(layer);
  if (rdm === 'crossnobis' && repeats < 2) {
    throw new UserError(
      'wrong-shape',
      rows.label,
      'has no repeats, and crossnobis distances compare a repeat with the others',
      'give samples × repeats × units, or choose another rdm',
    );
  }
  const repeatAt = (source: RowSource, at: number) =>
    new ChangedRows(source, units, (block) =>
      columnsOf(block, source.d, [at * units, (at + 1) * units]),
    );
  const each = <T>(of: (at: number) => T): T[] =>
    repeats > 1 ? Array.from({ length: repeats }, (_, at) => of(at)) : [];
  if (rdm === 'correlation' || rdm === 'cosine') {
    // Means over repeats of an offset lose too much in float32.
    const source = rows.uncentred(repeats > 1 ? 'float64' : undefined);
    const of = (part: RowSource): Dissimilarity => ({
      parts: [{ rows: unitRows(part, rdm), weight: 1 }],
      form: 'unit',
    });
    const stimuli = meanOver(source, repeats, units);
    await warnUndirected(unitRows(stimuli, rdm), rows.label, rdm, warn, step);
    return { whole: of(stimuli), repeats: each((at) => of(repeatAt(source, at))) };
  }
  const centred = rows.centred();
  const stimuli = meanOver(centred, repeats, units);
  if (rdm === 'sqeuclidean' || rdm === 'euclidean') {
    const of = (part: RowSource): Dissimilarity => ({
      parts: [{ rows: part, weight: 1 }],
      form: 'distance',
      ...(rdm === 'euclidean' ? { root: true } : { divisor: units }),
    });
    return { whole: of(stimuli), repeats: each((at) => of(repeatAt(centred, at))) };
  }
  const whiten = await noiseOf(rows, repeats, units, shrinkage, context, warn, step);
  const whitened = { rows: await whiten(stimuli, step), weight: 1 };
  const single = [];
  for (const part of each((at) => repeatAt(centred, at))) single.push(await whiten(part, step));
  const of = (part: Dissimilarity['parts'][number]): Dissimilarity => ({
    parts: [part],
    form: 'distance',
    divisor: units,
  });
  if (rdm === 'mahalanobis') {
    return { whole: of(whitened), repeats: single.map((part) => of({ rows: part, weight: 1 })) };
  }
  // Every repeat against the mean of the others: Σ_f (R·M − S_f)·S_fᵀ / (R(R − 1)), M the mean.
  const others = -1 / (repeats * (repeats - 1));
  return {
    whole: {
      parts: [
        { rows: whitened.rows, weight: repeats / (repeats - 1) },
        ...single.map((part) => ({ rows: part, weight: others })),
      ],
      form: 'distance',
      signed: true,
      divisor: units,
    },
    repeats: [],
  };
}

/** Mean over repeats of each sample. */
export function meanOver(source: RowSource, repeats: number, units: number): RowSource {
  if (repeats === 1) return source;
  return new ChangedRows(source, units, (block) => {
    const n = block.length / source.d;
    const target =
      block instanceof Float64Array ? new Float64Array(n * units) : new Float32Array(n * units);
    for (let row = 0; row < n; row++) {
      for (let j = 0; j < units; j++) {
        let sum = 0;
        for (let at = row * source.d + j; at < (row + 1) * source.d; at += units) sum += block[at]!;
        target[row * units + j] = sum / repeats;
      }
    }
    return target;
  });
}

async function warnUndirected(
  unit: RowSource,
  label: string,
  rdm: 'correlation' | 'cosine',
  warn: (message: string) => void,
  step: Step,
): Promise<void> {
  let count = 0;
  const size = Math.max(1, Math.floor((1 << 20) / unit.d));
  for (let start = 0; start < unit.n; start += size) {
    const block = await unit.rows(start, Math.min(start + size, unit.n));
    for (let at = 0; at < block.length; at += unit.d) {
      if (block.subarray(at, at + unit.d).every((value) => value === 0)) count++;
    }
    await step(0);
  }
  if (count === 0) return;
  const why = rdm === 'cosine' ? 'are zero' : 'have the same value in every unit';
  const whose = rdm === 'cosine' ? 'cosine' : 'correlation';
  warn(
    `${label}: ${count} of ${unit.n} samples ${why}; their ${whose} with others counts as 0, a dissimilarity of 1`,
  );
}

/** Whitening by the noise of repeats about their means; of plain samples, by their covariance. */
async function noiseOf(
  rows: CheckedRows,
  repeats: number,
  units: number,
  shrinkage: RdmSettings['shrinkage'],
  context: AnalysisContext,
  warn: (message: string) => void,
  step: Step,
) {
  const { n, label } = rows;
  const source = rows.centred('float64');
  const residuals =
    repeats === 1
      ? [source]
      : Array.from(
          { length: repeats },
          (_, at) =>
            new ChangedRows(rows.uncentred('float64'), units, (block) =>
              residualOf(block, at, repeats, units),
            ),
        );
  const freedom = repeats === 1 ? n - 1 : n * (repeats - 1);
  const shrink =
    shrinkage === 'diag' || (shrinkage === 'auto' && (repeats > 1 || freedom <= units));
  if (!shrink && freedom < 5 * units) {
    warn(
      `${label}: a covariance of ${units} units from ${freedom} degrees of freedom is uncertain, and so are distances by its inverse: use more samples, or set shrinkage=diag`,
    );
  }
  const { covariance } = await residualCovariance(context.engine, residuals, freedom, shrink, step);
  await passOverConstant(covariance, meanOver(source, repeats, units));
  return whitening(context.engine, covariance, units, label);
}

function residualOf(
  block: ArrayLike<number>,
  repeat: number,
  repeats: number,
  units: number,
): Float64Array {
  const width = repeats * units;
  const n = block.length / width;
  const residual = new Float64Array(n * units);
  for (let row = 0; row < n; row++) {
    for (let j = 0; j < units; j++) {
      let sum = 0;
      for (let r = 0; r < repeats; r++) sum += block[row * width + r * units + j]!;
      residual[row * units + j] = block[row * width + repeat * units + j]! - sum / repeats;
    }
  }
  return residual;
}

/**
 * How well the true dissimilarities could do: the mean similarity of each repeat's with those pooled
 * from all repeats (which it is part of: the upper bound) and from the others (the lower).
 */
export async function ceilingOf(
  comparison: Comparison<unknown>,
  repeats: readonly unknown[],
  n: number,
  pause: Pause,
): Promise<[Real, Real]> {
  const pooled = async (parts: readonly unknown[]) => {
    await pause();
    return comparison.prepare(comparison.pool(parts, n), n, pause);
  };
  const lower: number[] = [];
  const upper: number[] = [];
  const all = await pooled(repeats);
  for (const [at, repeat] of repeats.entries()) {
    const others = await pooled(repeats.toSpliced(at, 1));
    lower.push(await comparison.similarity(others, repeat, pause));
    upper.push(await comparison.similarity(all, repeat, pause));
  }
  return [real(mean(lower)), real(mean(upper))];
}
