import { z } from 'zod';
import type { Engine } from '../../engine/device-engine.ts';
import { gram } from '../../engine/kernels.ts';
import { UserError } from '../../errors.ts';
import type { Real, View } from '../../results/schema.ts';
import { blocks } from '../blocks.ts';
import { classesOf } from '../classes.ts';
import { correspondingLayers } from '../corresponding.ts';
import type { AnalysisContext, AnalysisDefinition, NamedRows, Side } from '../definition.ts';
import { checkRows, fullLabel, layerValues } from '../layers.ts';
import { requireMemory } from '../memory.ts';
import { seed } from '../parameters.ts';
import { mean, real } from '../statistics.ts';
import { groupsOf, holdOut } from './hold-out.ts';
import type { Step } from './pairs.ts';
import type { Columns } from './products.ts';
import { toUnitRows } from './retrieval.ts';
import { callBudget } from '../../engine/call-budget.ts';

const params = z.object({
  holdout: z
    .number()
    .min(0)
    .max(0.9)
    .default(0)
    .describe(
      'Share of the samples that are queries, the others being the gallery (groups stay together); 0: each sample in turn against all others',
    ),
  seed,
});

const least = 4;
const largestBlock = 512;

export const compatibility: AnalysisDefinition<typeof params> = {
  id: 'compatibility',
  family: 'similarity',
  title: 'Compatibility of updates',
  summary:
    'Whether queries embedded by a newer model find their class in a gallery that an older one made.',
  arity: 2,
  relation: 'series',
  labels: 'required',
  params,
  values: {
    ac: 'average compatibility: share of pairs (newer t, older k) whose cross accuracy is above that of k with itself',
    am: 'average accuracy over all queries t on galleries k ≤ t',
    matrix:
      'C[t][k], accuracy of queries of model t on the gallery of model k (rows and columns in update order); null where their widths differ',
  },
  headline: 'ac',
  formula: `C[t][k]: share of queries of model t whose nearest gallery sample of model k, by cosine, has their class (1-NN; ties by the lower index). By default every sample is a query against all others (leave one out); with holdout=s a random part s is, against the rest.
ac = 2/(T(T−1))·Σ_{t>k} 1[C[t][k] > C[k][k]]; am = 2/(T(T+1))·Σ_{t≥k} C[t][k] (Biondi et al. 2023).
Models of different width are not compatible: their C is null, counts as no success in ac, and is left out of am.`,
  invariances: [
    'one rotation, and one positive scale, of all models together',
    'a positive scale of any model by itself',
  ],
  misleads:
    'Inputs are taken in the order given, oldest first. A model may be better than its forerunner and yet incompatible: rotating its space is enough. ac asks for any gain, however small; with few samples that is luck: see the matrix. Samples that are copies of one another find each other across queries and gallery.',
  citation:
    'Shen, Xiong, Xia and Soatto, Towards Backward-Compatible Representation Learning, CVPR 2020; Biondi, Pernici, Bruni and Del Bimbo, CL2R: Compatible Lifelong Learning Representations, ACM TOMM 2023',

  async run(sides, { holdout, seed }, context) {
    const series = seriesOf(sides);
    const n = series[0]![0]!.n;
    const labelled = sides.find(({ labels }) => labels !== undefined) ?? sides[0]!;
    const { index } = classesOf(labelled);
    const split = holdout > 0 ? holdOut(n, holdout, seed, groupsOf(sides)) : undefined;
    const names = sides.map(({ name }) => name);
    const found: { matrix: Real[][]; ac: Real; am: Real }[] = [];
    for (const [at, layers] of series.entries()) {
      const step: Step = (part) => context.step((at + part) / series.length, 'Comparing models');
      const labels = layers.map((layer, t) => fullLabel(sides[t]!, layer));
      found.push(summary(await accuracies(layers, labels, index, split, context, step)));
    }
    const layered = sides.some((side) => side.layered);
    const values = layerValues({ ...sides[0]!, layered }, found);
    const widths = series.some((layers) => new Set(layers.map(({ d }) => d)).size > 1);
    if (widths) {
      context.warn(
        'models of different width are not compatible: their accuracy is null, counts as no success in ac and is left out of am',
      );
    }
    return {
      values,
      views: viewsOf(series, found, names, layered),
      estimator: `compatibility.1nn.${split ? `holdout-${holdout}` : 'leave-one-out'}`,
      preprocessing: 'rows of unit length',
    };
  },
};

/** The layers that all models have, each as the list of it in every model. */
function seriesOf(sides: readonly Side[]): NamedRows[][] {
  const [first, ...others] = sides as [Side, ...Side[]];
  const twins = others.map((other) => new Map(correspondingLayers(first, other)));
  const series = first.layers.flatMap((layer) => {
    const list = twins.map((twin) => twin.get(layer));
    return list.includes(undefined) ? [] : [[layer, ...(list as NamedRows[])]];
  });
  if (series.length === 0) {
    throw new UserError(
      'wrong-shape',
      sides.map(({ name }) => name).join(', '),
      'have no layers of the same names, and not as many each',
      'choose one layer of each with --layers, or capture them to files',
    );
  }
  for (const layers of series) {
    const odd = layers.findIndex(({ n }) => n !== layers[0]!.n);
    if (odd > 0) {
      throw new UserError(
        'wrong-shape',
        fullLabel(sides[odd]!, layers[odd]!),
        `has ${layers[odd]!.n} rows, and ${fullLabel(first, layers[0]!)} has ${layers[0]!.n}`,
        'give all models the same samples in the same order',
      );
    }
  }
  return series;
}

type Split = ReturnType<typeof holdOut> | undefined;

async function accuracies(
  layers: readonly NamedRows[],
  labels: readonly string[],
  classes: Int32Array,
  split: Split,
  context: AnalysisContext,
  step: Step,
): Promise<Real[][]> {
  const bytes = layers.reduce((sum, { n, d }) => sum + 8 * n * d, 0);
  const what = `${layers.length} representations of ${layers[0]!.n} samples`;
  requireMemory(context, bytes, what, 'use fewer samples');
  const unit: Columns[] = [];
  for (const [t, layer] of layers.entries()) {
    const rows = { ...(await checkRows(layer, context, least)), label: labels[t]! };
    const data = (await rows.uncentred('float64').rows(0, rows.n)) as Float64Array;
    const columns = { n: rows.n, width: rows.d, data };
    const zeros = toUnitRows(columns);
    if (zeros > 0) {
      context.warn(
        `${rows.label}: ${zeros} samples are zero and as near to one sample as to another`,
      );
    }
    unit.push(columns);
  }
  const matrix: Real[][] = [];
  for (const [t, queries] of unit.entries()) {
    const row: Real[] = [];
    for (const [k, gallery] of unit.entries()) {
      const part: Step = (done) => step((t + (k + done) / unit.length) / unit.length);
      const fits = queries.width === gallery.width;
      row.push(
        fits ? await accuracy(context.engine, queries, gallery, classes, split, part) : null,
      );
    }
    matrix.push(row);
  }
  return matrix;
}

/** Share of queries whose nearest sample of the gallery, other than themselves, has their class. */
async function accuracy(
  engine: Engine,
  queries: Columns,
  gallery: Columns,
  classes: Int32Array,
  split: Split,
  step: Step,
): Promise<number> {
  const { n, width } = queries;
  const inGallery = new Uint8Array(n).fill(split ? 0 : 1);
  for (const row of split?.train ?? []) inGallery[row] = 1;
  const asked = new Uint8Array(n).fill(split ? 0 : 1);
  for (const row of split?.test ?? []) asked[row] = 1;
  let right = 0;
  const size = Math.max(1, Math.min(largestBlock, Math.floor(callBudget / (n * width))));
  for (const [start, end] of blocks(n, size)) {
    const block = queries.data.subarray(start * width, end * width);
    const products = await gram(engine, width, block, gallery.data);
    for (let row = start; row < end; row++) {
      if (asked[row] === 0) continue;
      const offset = (row - start) * n;
      let nearest = -1;
      for (let at = 0; at < n; at++) {
        if (at === row || inGallery[at] === 0) continue;
        if (nearest < 0 || products[offset + at]! > products[offset + nearest]!) nearest = at;
      }
      if (nearest >= 0 && classes[nearest] === classes[row]) right++;
    }
    await step(end / n);
  }
  return right / asked.reduce((sum, value) => sum + value, 0);
}

function summary(matrix: Real[][]): { matrix: Real[][]; ac: Real; am: Real } {
  const pairs = matrix.flatMap((row, t) => row.slice(0, t).map((cross, k) => [cross, k] as const));
  const compatible = pairs.filter(
    ([cross, k]) => cross !== null && cross > (matrix[k]![k] ?? Infinity),
  );
  const known = matrix.flatMap((row, t) => row.slice(0, t + 1)).filter((value) => value !== null);
  return {
    ac: real(compatible.length / pairs.length),
    am: real(mean(known)),
    matrix,
  };
}

function viewsOf(
  series: readonly NamedRows[][],
  found: readonly { matrix: Real[][]; ac: Real; am: Real }[],
  names: readonly string[],
  layered: boolean,
): View[] {
  const heatmap = (at: number): View => ({
    kind: 'heatmap',
    title: layered
      ? `Accuracy of queries on galleries, ${series[at]![0]!.label}`
      : 'Accuracy of queries on galleries',
    x: { name: 'gallery', values: [...names] },
    y: { name: 'queries', values: [...names] },
    z: found[at]!.matrix,
    range: [0, 1],
    unit: 'accuracy',
  });
  const last = found.length - 1;
  if (!layered || last === 0) return [heatmap(last)];
  const profile: View = {
    kind: 'line',
    title: 'Compatibility over layers',
    x: { name: 'layer', values: series.map(([layer]) => layer!.label) },
    y: { name: 'share' },
    series: [
      { name: 'average compatibility', values: found.map(({ ac }) => ac) },
      { name: 'average accuracy', values: found.map(({ am }) => am) },
    ],
  };
  return [profile, heatmap(last)];
}
