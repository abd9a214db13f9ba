import type { Real, View } from '../../results/schema.ts';
import type { AnalysisContext, NamedRows } from '../definition.ts';
import type { CheckedRows } from '../layers.ts';
import { Random } from '../random.ts';
import type { ComparisonKind } from './rdm-compare.ts';
import type { RdmSettings } from './rdm-measure.ts';
import type { Step } from './pairs.ts';

/** The file about the samples, in memory. */
export interface OutsideFile {
  name: string;
  label: string;
  /** Row-major. */
  data: Float64Array;
  shape: readonly number[];
}

export interface OutsideSettings extends Pick<RdmSettings, 'rdm' | 'shrinkage'> {
  compare: ComparisonKind;
  /** What a row of triplets says. */
  triplets: 'odd' | 'anchor';
  folds: number;
  groups?: readonly string[];
  draws: { permutations: number; bootstrap: number; seed: number };
  context: AnalysisContext;
  /** Whether there is one representation, of which pictures can be shown. */
  pictured: boolean;
}

/** How one representation does against the file. */
export interface OutsideScore {
  value: number;
  /** The same with the samples of the file permuted, draw by draw. */
  permuted: Float64Array;
  /** The same over resamples. */
  resampled: Float64Array;
  views: View[];
}

/** A file of one kind, ready to hold representations against. */
export interface Outside {
  key: 'similarity' | 'encodingR2' | 'tripletAccuracy';
  /** Of the value, on axes. */
  name: string;
  noiseCeiling: Real | Real[];
  estimator: string;
  of(rows: CheckedRows, layer: NamedRows, step: Step): Promise<OutsideScore>;
}

/** So many draws of a random value, the same for every layer. */
export async function drawsOf(
  count: number,
  seed: number,
  step: Step,
  draw: (random: Random) => Promise<number> | number,
): Promise<Float64Array> {
  const random = new Random(seed);
  const values = new Float64Array(count);
  for (let at = 0; at < count; at++) {
    values[at] = await draw(random);
    await step((at + 1) / count);
  }
  return values;
}
