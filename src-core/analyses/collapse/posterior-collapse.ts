import { z } from 'zod';
import type { Real, View } from '../../results/schema.ts';
import { blocks } from '../blocks.ts';
import { layersOfOneShape } from '../corresponding.ts';
import type { AnalysisContext, AnalysisDefinition, NamedRows, Side } from '../definition.ts';
import { checkRows } from '../layers.ts';
import { real } from '../statistics.ts';

const blockElements = 1 << 20;

const params = z.object({
  threshold: z
    .number()
    .positive()
    .default(0.01)
    .describe('Variance of its mean over samples above which a latent dimension is active'),
});

/** What was found of one pair of means and log-variances. */
interface Posterior {
  label: string;
  activeUnits: number;
  /** Of each latent dimension. */
  kl: Real[];
  variance: Real[];
  noise: Real[];
}

export const posteriorCollapse: AnalysisDefinition<typeof params> = {
  id: 'posterior-collapse',
  family: 'collapse',
  title: 'Posterior collapse',
  summary:
    'Which latent dimensions of a variational autoencoder still say something of the sample.',
  arity: 2,
  relation: 'layers',
  params,
  values: {
    activeUnits: 'latent dimensions whose mean varies over samples, 0 to all',
    kl: 'divergence of the posterior from the prior of each latent dimension, mean over samples, in nats; 0 where it has collapsed',
    variance: 'variance over samples of the posterior mean of each latent dimension',
    noise: 'mean over samples of the posterior variance of each; 1 where it has collapsed',
  },
  headline: 'activeUnits',
  formula: `Inputs: posterior means μ and log-variances log σ², samples × latent dimensions each, in this order; the prior is standard normal.
activeUnits = number of j with Var_x(μ_j(x)) > threshold, population variance (Burda, Grosse and Salakhutdinov 2016: 0.01).
kl_j = mean over x of ½(μ_j² + σ_j² − 1 − log σ_j²). variance_j = Var_x(μ_j), noise_j = mean over x of σ_j².
A dimension is active in the table where variance is above the threshold, passive where it is not and noise is at least 0.9, mixed otherwise.
Of two models, layers correspond by name, else by rank, so that one layer of each may have any name.`,
  invariances: [
    'permutation of latent dimensions (kl, variance and noise in the new order)',
    'permutation of the samples',
    'change of sign of a latent dimension',
    'translation of the means (activeUnits, variance and noise)',
  ],
  misleads:
    'The threshold is a convention: look at the gap in the variances. A dimension may be active and useless to the decoder. With a prior other than standard normal kl is another number. The second input is the logarithm of the variance: a standard deviation or a variance in its place gives numbers that look plausible.',
  citation:
    'Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016; Bonheme and Grzes, Be More Active! Understanding the Differences between Mean and Sampled Representations of Variational Autoencoders, JMLR 2023',

  async run(sides, { threshold }, context) {
    const [first, second] = sides as [Side, Side];
    const pairs = layersOfOneShape(
      first,
      second,
      'give the means first and the log-variances second, of the same samples',
    );
    const layers: Posterior[] = [];
    for (const [index, [means, logs]] of pairs.entries()) {
      const step = (fraction: number) =>
        context.step((index + fraction) / pairs.length, `Posterior of ${means.label}`);
      layers.push(await posterior(means, logs, threshold, context, step));
    }
    const layered = first.layered || second.layered;
    const valueOf = <K extends 'activeUnits' | 'kl' | 'variance' | 'noise'>(key: K) =>
      layered ? layers.map((layer) => layer[key]) : layers[0]![key];
    return {
      values: {
        activeUnits: valueOf('activeUnits'),
        kl: valueOf('kl'),
        variance: valueOf('variance'),
        noise: valueOf('noise'),
      },
      estimator: 'posterior-collapse.gaussian',
      preprocessing: 'none',
      views: views(first, layers, threshold),
    };
  },
};

async function posterior(
  means: NamedRows,
  logs: NamedRows,
  threshold: number,
  context: AnalysisContext,
  step: (fraction: number) => Promise<void>,
): Promise<Posterior> {
  const { n, d, label } = means;
  const { mean } = await checkRows(means, context, 2);
  await checkRows(logs, context, 2);
  const [kl, variance, noise] = [0, 1, 2].map(() => new Float64Array(d)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  let least = Infinity;
  for (const [start, end] of blocks(n, Math.max(1, Math.floor(blockElements / d)))) {
    const [m, v] = [await means.rows(start, end), await logs.rows(start, end)];
    for (let at = 0; at < m.length;) {
      for (let j = 0; j < d; j++, at++) {
        const log = v[at]!;
        // expm1 keeps the digits of a collapsed dimension, where log σ² is near zero.
        kl[j]! += m[at]! ** 2 + Math.expm1(log) - log;
        variance[j]! += (m[at]! - mean[j]!) ** 2;
        noise[j]! += Math.exp(log);
        if (log < least) least = log;
      }
    }
    await step(end / n);
  }
  for (let j = 0; j < d; j++) {
    kl[j]! /= 2 * n;
    variance[j]! /= n;
    noise[j]! /= n;
  }
  if (least > 0) {
    context.warn(
      `${logs.label}: every number is above 0, so that every posterior is wider than the prior: if they are variances or deviations, give the logarithm of the variance`,
    );
  }
  const wide = noise.filter((value) => !Number.isFinite(value)).length;
  if (wide > 0) {
    context.warn(`${logs.label}: variances of ${wide} dimensions overflow, so their kl is null`);
  }
  return {
    label,
    activeUnits: variance.filter((value) => value > threshold).length,
    kl: Array.from(kl, real),
    variance: Array.from(variance, real),
    noise: Array.from(noise, real),
  };
}

/** Latent dimensions beyond which no bar is drawn for each, and no row written. */
const mostPictured = 400;
const passiveNoise = 0.9;

function views(first: Side, layers: readonly Posterior[], threshold: number): View[] {
  const last = layers.at(-1)!;
  const of = layers.length > 1 ? ` of ${last.label}` : '';
  const order = [...last.kl.keys()].sort((a, b) => (last.kl[b] ?? -1) - (last.kl[a] ?? -1));
  const names = order.map((at) => `${at}`);
  const kind = (at: number) =>
    (last.variance[at] ?? 0) > threshold
      ? 'active'
      : (last.noise[at] ?? 0) >= passiveNoise
        ? 'passive'
        : 'mixed';
  const picked = (values: readonly Real[]) => order.map((at) => values[at]!);
  const points = (wanted: string) => {
    const found = order.filter((at) => kind(at) === wanted);
    return {
      name: wanted,
      points: found.map((at): [Real, Real] => [last.variance[at]!, last.noise[at]!]),
      labels: found.map((at) => `dimension ${at}`),
    };
  };
  return [
    ...(layers.length > 1
      ? [
          {
            kind: 'line' as const,
            title: 'Active dimensions over layers',
            x: { name: first.name, values: layers.map(({ label }) => label) },
            y: { name: 'dimensions' },
            series: [{ name: 'activeUnits', values: layers.map((layer) => layer.activeUnits) }],
          },
        ]
      : []),
    ...(names.length <= mostPictured
      ? [
          {
            kind: 'bars' as const,
            title: `Divergence from the prior${of}`,
            x: { name: 'latent dimension, by divergence', values: names },
            y: { name: 'nats' },
            series: [{ name: 'kl', values: picked(last.kl) }],
          },
        ]
      : [
          {
            kind: 'line' as const,
            title: `Divergence from the prior${of}`,
            x: { name: 'rank', values: names.map((_, rank) => rank + 1) },
            y: { name: 'nats' },
            series: [{ name: 'kl', values: picked(last.kl) }],
          },
        ]),
    {
      kind: 'scatter',
      title: `Variance of the mean and of the noise${of}`,
      x: { name: 'variance of the mean over samples' },
      y: { name: 'mean posterior variance' },
      series: ['active', 'mixed', 'passive'].map(points).filter((one) => one.points.length > 0),
    },
    {
      kind: 'table',
      title: `Latent dimensions${of}`,
      columns: ['dimension', 'kl', 'variance of the mean', 'posterior variance', 'kind'],
      rows: order
        .slice(0, mostPictured)
        .map((at) => [`${at}`, last.kl[at]!, last.variance[at]!, last.noise[at]!, kind(at)]),
    },
  ];
}
