import type { AnalysisDefinition, NamedRows } from './definition.ts';
import { UserError } from '../errors.ts';
import { correspondingLayers } from './corresponding.ts';
import type { View } from '../results/schema.ts';
import { cka } from './similarity/cka.ts';

/** Rows read at a time. */
const blockRows = 2048;

/**
 * Two models layer by layer: which layers are alike at all (CKA), and, where layers correspond, how
 * far the second strays from the first. Not in the catalogue: it is what `compare` runs.
 */
export const compare: AnalysisDefinition<typeof cka.params> = {
  id: 'compare',
  family: 'similarity',
  title: 'Compare models',
  summary: 'Which layers of two models are alike, and how far corresponding layers differ.',
  arity: 2,
  params: cka.params,
  values: {
    cka: 'CKA of every layer of the first model (rows) with every layer of the second (columns)',
    pairs: 'the layers that correspond, as [first, second] names',
    cosine: 'mean over samples of the cosine between corresponding rows; null where widths differ',
    sqnr: 'signal to difference ratio 10·log10(Σx²/Σ(x−y)²) in dB; null where widths differ or nothing differs',
  },
  headline: 'cka',
  formula: `${cka.formula} cosine = mean_i x_i·y_i/(‖x_i‖‖y_i‖). SQNR = 10·log10(‖X‖²_F/‖X−Y‖²_F).`,
  invariances: ['cosine and sqnr: none; they compare units one by one'],
  misleads:
    'Cosine and SQNR are only meaningful for models that share their units (quantised, fine-tuned or later checkpoints of one model); two seeds of one architecture have low cosine and may have high CKA.',
  citation: cka.citation,

  async run(sides, params, context) {
    const [first, second] = sides;
    if (!first?.layered || !second?.layered) {
      throw new UserError('usage', 'compare', 'takes two models', 'use analyze cka for matrices');
    }
    const similarity = await cka.run(sides, params, {
      ...context,
      step: (fraction, message) => context.step(0.8 * fraction, message),
    });
    const pairs = correspondingLayers(first, second);
    const cosine: (number | null)[] = [];
    const sqnr: (number | null)[] = [];
    for (const [index, [x, y]] of pairs.entries()) {
      const difference = x.d === y.d ? await differ(x, y) : undefined;
      cosine.push(difference?.cosine ?? null);
      sqnr.push(difference && Number.isFinite(difference.sqnr) ? difference.sqnr : null);
      if (difference?.sqnr === Infinity) {
        context.warn(
          `layers ${x.label} and ${y.label} are identical: their sqnr is infinite, written as null`,
        );
      }
      await context.step(0.8 + (0.2 * (index + 1)) / pairs.length, 'Comparing layers');
    }
    return {
      ...similarity,
      values: {
        ...similarity.values,
        pairs: pairs.map(([x, y]) => [x.label, y.label]),
        cosine,
        sqnr,
      },
      views: [...similarity.views, ...profiles(pairs, cosine, sqnr)],
    };
  },
};

async function differ(x: NamedRows, y: NamedRows): Promise<{ cosine: number; sqnr: number }> {
  let cosines = 0;
  let counted = 0;
  let signal = 0;
  let noise = 0;
  for (let start = 0; start < x.n; start += blockRows) {
    const end = Math.min(start + blockRows, x.n);
    const [a, b] = await Promise.all([x.rows(start, end), y.rows(start, end)]);
    for (let row = 0; row < end - start; row++) {
      let aa = 0;
      let bb = 0;
      let ab = 0;
      for (let at = row * x.d; at < (row + 1) * x.d; at++) {
        const p = a[at]!;
        const q = b[at]!;
        aa += p * p;
        bb += q * q;
        ab += p * q;
        noise += (p - q) * (p - q);
      }
      signal += aa;
      // A row of zeros (all units dead) has no direction.
      if (aa > 0 && bb > 0) {
        cosines += ab / Math.sqrt(aa * bb);
        counted++;
      }
    }
  }
  return { cosine: cosines / counted, sqnr: 10 * Math.log10(signal / noise) };
}

function profiles(
  pairs: readonly [NamedRows, NamedRows][],
  cosine: (number | null)[],
  sqnr: (number | null)[],
): View[] {
  if (pairs.length === 0) return [];
  const x = { name: 'layer', values: pairs.map(([layer]) => layer.label) };
  const views: View[] = [];
  if (cosine.some((value) => value !== null)) {
    views.push({
      kind: 'line',
      title: 'Cosine of corresponding layers',
      x,
      y: { name: 'cosine' },
      series: [{ name: 'cosine', values: cosine }],
    });
  }
  if (sqnr.some((value) => value !== null)) {
    views.push({
      kind: 'line',
      title: 'Signal to difference ratio of corresponding layers',
      x,
      y: { name: 'sqnr (dB)' },
      series: [{ name: 'sqnr', values: sqnr }],
    });
  }
  return views;
}
