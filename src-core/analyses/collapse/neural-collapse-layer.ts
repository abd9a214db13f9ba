import type { Engine } from '../../engine/device-engine.ts';
import type { Real } from '../../results/schema.ts';
import type { AnalysisContext, NamedRows } from '../definition.ts';
import { requireMemory } from '../memory.ts';
import { deviation, mean, real } from '../statistics.ts';
import { centreOf, classMeans, shifted, withinClasses, type KeptClasses } from './class-moments.ts';
import { lengthsOf, pairStatistics, type Target } from './class-pairs.ts';
import { duality, type FittedClassifier } from './neural-collapse-classifier.ts';
import {
  betweenClasses,
  nc1,
  quadraticForms,
  variabilityCollapse,
} from './neural-collapse-measures.ts';

/** Keys of the values, in the order of tables. */
export const collapseKeys = [
  'nc1',
  'nc2.normCv',
  'nc2.cosStd',
  'nc2.angle',
  'nc2.normCvW',
  'nc2.cosStdW',
  'nc2.angleW',
  'nc3',
  'nc4',
  'cdnv',
  'cdnv.median',
  'gnc2.mean',
  'gnc2.var',
  'unc3',
  'unc3.cos',
  'etfError',
  'vci',
] as const;
export type CollapseKey = (typeof collapseKeys)[number];

/** What was found of one layer. */
export interface LayerCollapse {
  label: string;
  n: number;
  d: number;
  classes: KeptClasses;
  values: Record<CollapseKey, Real>;
  /** Lengths of class means, about the centre that the target has. */
  lengths: Float64Array;
  /** C × C, where there are few enough. */
  cosines?: Float64Array;
  /** Pairs whose means coincide, and whose means have one direction. */
  coincident: number;
  parallel: number;
  /** Directions in which class means differ. */
  rank: number;
  /** Why there is no `vci`, where there is none. */
  noVci?: string;
}

/**
 * Measure one layer in two passes over its rows: class means, then the scatter about them.
 * @param fitted classifier rows of the classes, where there is one for this width
 */
export async function measureLayer(
  rows: NamedRows,
  classes: KeptClasses,
  fitted: FittedClassifier | undefined,
  target: Target,
  context: AnalysisContext,
  step: (fraction: number) => Promise<void>,
): Promise<LayerCollapse> {
  const { engine, memoryLimit } = context;
  const { d } = rows;
  const { n } = classes;
  const count = classes.names.length;
  const order = Math.min(count, d);
  requireMemory(
    context,
    8 * (5 * count * d + 4 * order * order),
    `means of ${count} classes of ${d} units and their spectrum`,
    'set minSamples higher, or pool to fewer units',
  );
  const means = await classMeans(rows, classes, context, (part) => step(0.2 * part));
  const centre = centreOf(means, d);
  const centred = shifted(means, centre);
  const size = lengthsOf(means, means.length)[0]!;
  const between = await betweenClasses(engine, centred, d, size, (part) => step(0.2 + 0.1 * part));
  const rank = between.values.length;
  const noVci =
    n <= d + 1
      ? `has ${n} samples for ${d} units`
      : 8 * 5 * d * d > memoryLimit
        ? 'would pass the memory bound'
        : undefined;
  const basis = rank > 0 ? between.vectors : new Float64Array(d);
  const within = await withinClasses(
    engine,
    rows,
    classes,
    means,
    {
      basis: noVci === undefined ? undefined : basis,
      decisions: fitted && { ...fitted, centres: centred, shift: centre },
    },
    (part) => step(0.3 + 0.4 * part),
  );
  const along =
    noVci === undefined && rank > 0
      ? await quadraticForms(engine, between.vectors, within.scatter, d)
      : within.scatter;
  const frame = target.centred ? centred : means;
  const pairs = await pairStatistics(engine, frame, d, size, within.variances, target, (part) =>
    step(0.7 + 0.1 * part),
  );
  const vci =
    noVci === undefined
      ? await variabilityCollapse(engine, within.scatter, centred, d, rank, (part) =>
          step(0.8 + 0.2 * part),
        )
      : NaN;
  const lengths = lengthsOf(frame, d);
  const equal =
    target.lengths === 'given'
      ? lengths.map((length, c) => length / Math.sqrt(target.product(c, c, lengths)))
      : lengths;
  const dual = fitted && duality(fitted.weights, frame, d);
  const own = fitted && (await frameOf(fitted.weights, d, target, engine, step));
  const known = (value: number | undefined) => (rank > 0 ? real(value ?? NaN) : null);
  return {
    label: rows.label,
    n,
    d,
    classes,
    values: {
      nc1: known(nc1(along, between, count)),
      'nc2.normCv': known(deviation(equal) / mean(equal)),
      'nc2.cosStd': known(pairs.cosStd),
      'nc2.angle': known(pairs.angle),
      'nc2.normCvW': real(own?.normCv ?? NaN),
      'nc2.cosStdW': real(own?.cosStd ?? NaN),
      'nc2.angleW': real(own?.angle ?? NaN),
      nc3: known(dual?.nc3),
      nc4: real(within.disagreement ?? NaN),
      cdnv: known(pairs.cdnv),
      'cdnv.median': known(pairs.cdnvMedian),
      'gnc2.mean': known(pairs.logMean),
      'gnc2.var': known(pairs.logVariance),
      unc3: known(dual?.unc3),
      'unc3.cos': known(dual?.cosineVariance),
      etfError: known(pairs.error),
      vci: known(vci),
    },
    lengths,
    ...(pairs.cosines ? { cosines: pairs.cosines } : {}),
    coincident: pairs.coincident,
    parallel: pairs.parallel,
    rank,
    ...(noVci === undefined ? {} : { noVci }),
  };
}

/** How the rows of a classifier, C × d, form a frame themselves. */
async function frameOf(
  weights: Float64Array,
  d: number,
  target: Target,
  engine: Engine,
  step: (fraction: number) => Promise<void>,
) {
  const lengths = lengthsOf(weights, d);
  const none = new Float64Array(lengths.length);
  const size = lengthsOf(weights, weights.length)[0]!;
  const pairs = await pairStatistics(engine, weights, d, size, none, target, () => step(0.8));
  return { normCv: deviation(lengths) / mean(lengths), cosStd: pairs.cosStd, angle: pairs.angle };
}
