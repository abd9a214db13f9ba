import { UserError } from '../errors.ts';
import type { Real, View } from '../results/schema.ts';
import { blocks } from './blocks.ts';
import { correspondingLayers } from './corresponding.ts';
import type { AnalysisContext, AnalysisDefinition, NamedRows } from './definition.ts';
import { cka } from './similarity/cka.ts';
import { real } from './statistics.ts';

/** Elements of each layer that are read at a time. */
const blockElements = 1 << 20;
/** Share of the progress that CKA takes. */
const ckaShare = 0.8;

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
    cosine:
      'mean over samples of the cosine between corresponding rows, rows of zeros left out; null where widths differ',
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
      step: (fraction, message) => context.step(ckaShare * fraction, message),
    });
    const pairs = correspondingLayers(first, second);
    if (pairs.length === 0) {
      context.warn(
        `${first.name} and ${second.name} have no layers of the same name, nor as many layers, so that none correspond`,
      );
    }
    const differences: Difference[] = [];
    for (const [index, [x, y]] of pairs.entries()) {
      const step = (fraction: number) =>
        context.step(
          ckaShare + ((1 - ckaShare) * (index + fraction)) / pairs.length,
          `Comparing ${x.label}`,
        );
      differences.push(x.d === y.d ? await differenceOf(x, y, context, step) : unlike);
    }
    const wide = pairs.filter(([x, y]) => x.d !== y.d).map(([x]) => x.label);
    if (wide.length > 0) {
      context.warn(`layers of different widths have no cosine and sqnr: ${wide.join(', ')}`);
    }
    const cosine = differences.map((difference) => difference.cosine);
    const sqnr = differences.map((difference) => difference.sqnr);
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

interface Difference {
  cosine: Real;
  sqnr: Real;
}

const unlike: Difference = { cosine: null, sqnr: null };

/** How far the rows of one layer are from those of another, unit by unit. */
async function differenceOf(
  x: NamedRows,
  y: NamedRows,
  context: AnalysisContext,
  step: (fraction: number) => Promise<void>,
): Promise<Difference> {
  const { n, d } = x;
  let cosines = 0;
  let counted = 0;
  let signal = 0;
  let noise = 0;
  for (const [start, end] of blocks(n, Math.max(1, Math.floor(blockElements / d)))) {
    const [a, b] = await Promise.all([x.rows(start, end), y.rows(start, end)]);
    for (let row = 0; row < end - start; row++) {
      let [xx, yy, xy] = [0, 0, 0];
      for (let at = row * d; at < (row + 1) * d; at++) {
        const p = a[at]!;
        const q = b[at]!;
        xx += p * p;
        yy += q * q;
        xy += p * q;
        noise += (p - q) * (p - q);
      }
      signal += xx;
      // A row of zeros (all units dead) has no direction.
      if (xx > 0 && yy > 0) {
        cosines += xy / Math.sqrt(xx * yy);
        counted++;
      }
    }
    await step(end / n);
  }
  const names = `layers ${x.label} and ${y.label}`;
  if (counted === 0) {
    context.warn(`${names}: all rows of one are zero, so that their cosine is null`);
  }
  if (noise === 0) {
    context.warn(`${names} are identical: their sqnr is infinite, written as null`);
  } else if (signal === 0) {
    context.warn(`${names}: all rows of the first are zero, so that their sqnr is null`);
  }
  return { cosine: real(cosines / counted), sqnr: real(10 * Math.log10(signal / noise)) };
}

function profiles(pairs: readonly [NamedRows, NamedRows][], cosine: Real[], sqnr: Real[]): View[] {
  if (pairs.length === 0) return [];
  const x = { name: 'layer', values: pairs.map(([layer]) => layer.label) };
  const profile = (name: string, unit: string, title: string, values: Real[]): View[] =>
    values.every((value) => value === null)
      ? []
      : [{ kind: 'line', title, x, y: { name: unit }, series: [{ name, values }] }];
  return [
    ...profile('cosine', 'cosine', 'Cosine of corresponding layers', cosine),
    ...profile('sqnr', 'sqnr (dB)', 'Signal to difference ratio of corresponding layers', sqnr),
  ];
}
