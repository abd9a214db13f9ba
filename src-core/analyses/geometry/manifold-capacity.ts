import { z } from 'zod';
import { gram } from '../../engine/kernels.ts';
import { symmetricEigen } from '../../engine/linear-algebra/eigen.ts';
import { nuclearNorm } from '../../engine/linear-algebra/svd.ts';
import { UserError } from '../../errors.ts';
import type { Real, View } from '../../results/schema.ts';
import { blocks } from '../blocks.ts';
import { classesOf, type Classes } from '../classes.ts';
import type { AnalysisContext, AnalysisDefinition, Side } from '../definition.ts';
import { checkRows, layerValues, type CheckedRows } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { seed } from '../parameters.ts';
import { Random } from '../random.ts';
import { mean, real } from '../statistics.ts';
import { warnConstantUnits } from '../warnings.ts';
import {
  gaussianDraws,
  manifoldGeometry,
  type ManifoldGeometry,
} from './manifold-capacity-anchor.ts';
import { centreCorrelations } from './manifold-capacity-centres.ts';
import { profileView } from './profile-view.ts';
import { toUnitLength } from './unit-rows.ts';

const leastSamples = 4;
const blockElements = 1 << 20;
/** Share of the largest eigenvalue of a manifold below which a direction is rounding. */
const rankTolerance = 1e-10;
/** Share of the mean squared length of centres below which a centre lies on the mean of all. */
const centreTolerance = 1e-12;
/** Classes below which a theory of many manifolds says little. */
const fewClasses = 10;

const params = z.object({
  draws: z
    .int()
    .min(10)
    .max(100_000)
    .default(200)
    .describe('Random directions over which each class is averaged'),
  samples: z
    .int()
    .min(2)
    .max(1000)
    .default(100)
    .describe('Most samples of a class that make its manifold; all classes get equally many'),
  seed,
});
type Params = z.infer<typeof params>;

interface LayerCapacity {
  label: string;
  values: Record<'capacity' | 'radius' | 'dimension' | 'mmcr' | 'compactness', Real> & {
    centreCorrelation: Real;
  };
  classes: { name: string; geometry?: ManifoldGeometry }[];
}

export const manifoldCapacity: AnalysisDefinition<typeof params> = {
  id: 'manifold-capacity',
  family: 'geometry',
  title: 'Manifold capacity',
  summary: 'How well classes can be told apart linearly, and how large their manifolds are.',
  arity: 1,
  labels: 'required',
  params,
  values: {
    capacity:
      'mean-field classification capacity: random dichotomies of classes that are linearly separable, per unit; 2 where each class is one point, less for larger manifolds',
    radius: 'mean radius of class manifolds, in units of the distance of their centres',
    dimension: 'mean dimension of class manifolds as a classifier meets them',
    mmcr: 'nuclear norm of the centroids of unit-length samples: √P where all coincide, at most √(P·min(P, d)) for P classes',
    compactness: 'mean nuclear norm of the unit-length samples of a class; √m where all m coincide',
    centreCorrelation: 'mean |cosine| between centres after what they share is projected out',
  },
  headline: 'capacity',
  formula: `Each of P classes is given equally many samples m, drawn without replacement where it has more. The mean of all is subtracted.
Centre correlations: the leading principal directions of the centres are projected out of everything, as many (up to (P − 1)/2) as make the mean |cosine| between different centres least.
Of each class, coordinates are taken in units of the distance of its centre, s = (x, 1). For Gaussian t: the anchor s̃(t) is where the cone of the convex hull of the points s comes nearest to t, from the non-negative least squares min_{a ≥ 0} ‖t − Σ a_i s_i‖², or the point of largest t·s where all a are 0.
1/α_c = ⟨[t·s̃]₊²/‖s̃‖²⟩_t (κ = 0); R_c² = ⟨‖x̃ − ⟨x̃⟩‖²⟩; D_c = r·⟨t̂·x̃/‖x̃‖⟩² over the r coordinates x that the class spans, t̂ the direction of t in them (Chung, Lee and Sompolinsky 2018, eq. 16–17, 28–29).
capacity = P/Σ_c 1/α_c; radius and dimension are means over classes. A ball of radius 1 in D dimensions has 2/(D + 1); one that is very large 1/(D + 1/2).
mmcr = ‖C‖_*, rows of C the class means of x/‖x‖, not centred; compactness = mean over classes of ‖Z_c‖_*, Z_c the m unit-length samples (Yerxa et al. 2023).`,
  invariances: [
    'orthogonal transformation (rotation, reflection, permutation of units)',
    'isotropic scaling',
    'translation (all but mmcr and compactness)',
    'permutation of the samples, where no class is thinned out',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'The theory is of many manifolds in general positions: with few classes, or centres that share directions that projection does not take out, the number is not a count of separable classes. It falls as a class is given more samples: compare at equal m. A class whose centre lies at the mean of all has no direction, and is left out. Estimates vary with the random directions; raise draws for finer differences.',
  citation:
    'Chung, Lee and Sompolinsky, Classification and Geometry of General Perceptual Manifolds, Physical Review X 2018; Cohen, Chung, Lee and Sompolinsky, Separability and geometry of object manifolds in deep neural networks, Nature Communications 2020; Yerxa, Kuang, Simoncelli and Chung, Learning Efficient Coding of Natural Images with Maximum Manifold Capacity Representations, NeurIPS 2023',

  async run(sides, settings, context) {
    const side = sides[0]!;
    const chosen = equalClasses(side, settings, context);
    const checked: CheckedRows[] = [];
    const layers: LayerCapacity[] = [];
    for (const [index, layer] of side.layers.entries()) {
      const step = (fraction: number) =>
        context.step((index + fraction) / side.layers.length, `Manifolds of ${layer.label}`);
      const rows = await checkRows(layer, context, leastSamples);
      checked.push(rows);
      layers.push(await layerCapacity(rows, chosen, settings, context, step));
    }
    warnConstantUnits(checked, context);
    return {
      values: layerValues(
        side,
        layers.map(({ values }) => values),
      ),
      estimator: 'capacity.mean-field.chung2018',
      preprocessing:
        'mean of all subtracted, shared directions of centres projected out; rows scaled to unit length for mmcr and compactness',
      views: views(side, layers),
    };
  },
};

/** Samples that make the manifolds: of each class that has two or more, equally many. */
interface Manifolds {
  names: string[];
  /** Samples by class, ascending. */
  members: Int32Array[];
  /** Samples of each class. */
  m: number;
  /** Place of each sample's class in `names`; −1 where it was left out. */
  index: Int32Array;
  /** All samples of each class, in the manifold or not. */
  counts: number[];
}

function equalClasses(
  side: Side,
  { samples, seed: from }: Params,
  context: AnalysisContext,
): Manifolds {
  const classes: Classes = classesOf(side);
  const kept = [...classes.names.keys()].filter((at) => classes.counts[at]! >= 2);
  if (kept.length < classes.names.length) {
    context.warn(
      `classes of a single sample are left out: ${classes.names.length - kept.length} of ${classes.names.length}`,
    );
  }
  if (kept.length < 2) {
    throw new UserError(
      'too-few-samples',
      side.name,
      `has ${kept.length} ${kept.length === 1 ? 'class' : 'classes'} of two or more samples, and at least 2 are needed`,
      'check the labels, or use a probe with more samples of each class',
    );
  }
  if (kept.length < fewClasses) {
    context.warn(
      `${kept.length} classes: the capacity is that of a theory of many, compare it with care`,
    );
  }
  const m = Math.min(samples, ...kept.map((at) => classes.counts[at]!));
  const most = Math.max(...kept.map((at) => classes.counts[at]!));
  if (most > m) context.warn(`${m} samples of each class are used, of up to ${most}`);
  const random = new Random(from);
  const place = new Int32Array(classes.names.length).fill(-1);
  kept.forEach((at, position) => (place[at] = position));
  const index = classes.index.map((at) => place[at]!);
  const members = kept.map((_, position) => {
    const own = [...index.keys()].filter((i) => index[i] === position);
    if (own.length === m) return Int32Array.from(own);
    return Int32Array.from(random.permutation(own.length).subarray(0, m), (i) => own[i]!).sort();
  });
  return {
    names: kept.map((at) => classes.names[at]!),
    members,
    m,
    index,
    counts: kept.map((at) => classes.counts[at]!),
  };
}

type Step = (fraction: number) => Promise<void>;

/** What a pass over the rows gives: the manifolds' samples, and class means of unit-length rows. */
async function gather(rows: CheckedRows, { members, m, index, counts }: Manifolds, step: Step) {
  const { n, d } = rows;
  const p = members.length;
  const samples = new Float64Array(p * m * d);
  const centroids = new Float64Array(p * d);
  const slot = new Int32Array(n).fill(-1);
  members.forEach((own, c) => own.forEach((i, at) => (slot[i] = c * m + at)));
  let zeroRows = 0;
  for (const [start, end] of blocks(n, Math.max(1, Math.floor(blockElements / d)))) {
    const block = await rows.uncentred('float64').rows(start, end);
    for (let i = start; i < end; i++) {
      const row = block.subarray((i - start) * d, (i - start + 1) * d) as Float64Array;
      if (slot[i]! >= 0) samples.set(row, slot[i]! * d);
      const c = index[i]!;
      if (c < 0) continue;
      const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
      if (length === 0) zeroRows++;
      else for (let j = 0; j < d; j++) centroids[c * d + j]! += row[j]! / (length * counts[c]!);
    }
    await step(end / n);
  }
  return { samples, centroids, zeroRows };
}

async function layerCapacity(
  rows: CheckedRows,
  manifolds: Manifolds,
  settings: Params,
  context: AnalysisContext,
  step: Step,
): Promise<LayerCapacity> {
  const { d, label, constantColumns } = rows;
  const { names, m } = manifolds;
  const p = names.length;
  requireMemory(
    context,
    8 * d * (p * m + 4 * p) + 24 * p * p,
    `${label}: ${m} samples of each of ${p} classes`,
    'use fewer samples of each class (--set samples=20)',
  );
  const { samples, centroids, zeroRows } = await gather(rows, manifolds, (part) => step(part / 10));
  if (zeroRows > 0)
    context.warn(`${label}: ${zeroRows} samples are zero, and count as such in mmcr`);
  const mmcr = await nuclearNorm(centroids, p, d, { step: () => step(0.1) });
  let compactness = 0;
  for (let c = 0; c < p; c++) {
    const own = unitRows(samples.subarray(c * m * d, (c + 1) * m * d), d);
    compactness += (await nuclearNorm(own, m, d, { step: () => step(0.1) })) / p;
    await step(0.1 + (0.1 * (c + 1)) / p);
  }

  const centres = centre(samples, p, m, d);
  const { engine } = context;
  const shared = await centreCorrelations(await gram(engine, d, centres, centres), p);
  const directions = combine(shared.combinations, centres, p, d);
  const typical = mean(shared.squares);
  const random = new Random(settings.seed);
  const classes: LayerCapacity['classes'] = [];
  for (const [c, name] of names.entries()) {
    const own = samples.subarray(c * m * d, (c + 1) * m * d);
    const squared = shared.squares[c]!;
    if (constantColumns === d || !(squared > centreTolerance * typical)) {
      classes.push({ name });
      continue;
    }
    const points = await coordinates(context, own, directions, m, d, squared);
    const draws = gaussianDraws(random, settings.draws, points.length / m + 1);
    const part = (fraction: number) => step(0.2 + (0.8 * (c + fraction)) / p);
    classes.push({ name, geometry: await manifoldGeometry(points, m, draws, part) });
  }
  const found = classes.flatMap(({ geometry }) => geometry ?? []);
  if (found.length < p && constantColumns < d) {
    context.warn(
      `${label}: the centres of ${p - found.length} classes lie at the mean of all, and have no capacity`,
    );
  }
  const over = (key: keyof ManifoldGeometry) => found.map((geometry) => geometry[key]);
  return {
    label,
    values: {
      capacity: real(1 / mean(over('capacity').map((capacity) => 1 / capacity))),
      radius: real(mean(over('radius'))),
      dimension: real(mean(over('dimension'))),
      mmcr: real(mmcr),
      compactness: real(compactness),
      centreCorrelation: found.length === 0 ? null : real(shared.after),
    },
    classes,
  };
}

function unitRows(rows: Float64Array, d: number): Float64Array {
  const unit = rows.slice();
  toUnitLength(unit, d);
  return unit;
}

/** Centres of classes from the mean of all, p × d; samples become differences from their centre. */
function centre(samples: Float64Array, p: number, m: number, d: number): Float64Array {
  const centres = new Float64Array(p * d);
  const overall = new Float64Array(d);
  for (let i = 0; i < p * m; i++) {
    const c = Math.floor(i / m);
    for (let j = 0; j < d; j++) {
      centres[c * d + j]! += samples[i * d + j]! / m;
      overall[j]! += samples[i * d + j]! / (p * m);
    }
  }
  for (let i = 0; i < p * m; i++) {
    const c = Math.floor(i / m);
    for (let j = 0; j < d; j++) samples[i * d + j]! -= centres[c * d + j]!;
  }
  for (let at = 0; at < p * d; at++) centres[at]! -= overall[at % d]!;
  return centres;
}

/** Combinations of the centres: directions in unit space, k × d. */
function combine(combinations: Float64Array, centres: Float64Array, p: number, d: number) {
  const directions = new Float64Array((combinations.length / p) * d);
  combinations.forEach((weight, at) => {
    const [k, c] = [Math.floor(at / p), at % p];
    for (let j = 0; j < d; j++) directions[k * d + j]! += weight * centres[c * d + j]!;
  });
  return directions;
}

/**
 * Coordinates of a manifold's samples without the shared directions, in units of the distance of
 * its centre, in as many dimensions as they span; m × r.
 */
async function coordinates(
  { engine }: AnalysisContext,
  differences: Float64Array,
  directions: Float64Array,
  m: number,
  d: number,
  centreSquared: number,
): Promise<Float64Array> {
  const products = await gram(engine, d, differences, differences);
  const k = directions.length / d;
  if (k > 0) {
    const shared = await gram(engine, d, differences, directions);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < m; j++) {
        for (let c = 0; c < k; c++) products[i * m + j]! -= shared[i * k + c]! * shared[j * k + c]!;
      }
    }
  }
  const { values, vectors } = await symmetricEigen(products, m, { vectors: true });
  const largest = Math.max(values[0]!, centreSquared * rankTolerance);
  const r = values.filter((value) => value > rankTolerance * largest).length;
  const points = new Float64Array(m * r);
  for (let c = 0; c < r; c++) {
    const vector = vectors.subarray(c * m, (c + 1) * m);
    const farthest = vector.reduce((a, b) => (Math.abs(b) > Math.abs(a) + 1e-9 ? b : a), 0);
    const scale = Math.sign(farthest) * Math.sqrt(values[c]! / centreSquared);
    for (let i = 0; i < m; i++) points[i * r + c] = scale * vector[i]!;
  }
  return points;
}

function views(side: Side, layers: readonly LayerCapacity[]): View[] {
  const of = (key: keyof LayerCapacity['values']) => layers.map(({ values }) => values[key]);
  const last = layers.at(-1)!;
  const names = Object.keys(last.values) as (keyof LayerCapacity['values'])[];
  return [
    ...profileView(side, 'Capacity over layers', 'capacity', { capacity: of('capacity') }),
    ...profileView(side, 'Radius over layers', 'radius of class manifolds', {
      radius: of('radius'),
    }),
    ...profileView(side, 'Dimension over layers', 'dimension of class manifolds', {
      dimension: of('dimension'),
    }),
    {
      kind: 'table',
      title: 'Manifold capacity',
      columns: ['layer', ...names],
      rows: layers.map(({ label, values }) => [label, ...names.map((name) => values[name])]),
    },
    {
      kind: 'table',
      title: `Classes in ${last.label}`,
      columns: ['class', 'capacity', 'radius', 'dimension'],
      rows: last.classes.map(({ name, geometry }) => [
        name,
        geometry?.capacity ?? null,
        geometry?.radius ?? null,
        geometry?.dimension ?? null,
      ]),
    },
  ];
}
