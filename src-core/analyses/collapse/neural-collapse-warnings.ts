import type { Classes } from '../classes.ts';
import type { AnalysisContext } from '../definition.ts';
import type { KeptClasses } from './class-moments.ts';
import type { Classifier } from './neural-collapse-classifier.ts';
import type { LayerCollapse } from './neural-collapse-layer.ts';

interface Settings {
  target: string;
  minSamples: number;
}

/** Samples a unit below which `vci` leans to collapsed. */
const enoughSamples = 5;

/** What is to be known of the classes before their numbers are read. */
export function warnOfClasses(
  all: Classes,
  { names, counts }: KeptClasses,
  { target, minSamples }: Settings,
  context: AnalysisContext,
): void {
  const out = all.names.length - names.length;
  if (out > 0) {
    context.warn(
      `${out} of ${all.names.length} classes have fewer than ${minSamples} samples: left out`,
    );
  }
  const single = counts.filter((count) => count === 1).length;
  if (single > 0) {
    context.warn(
      `${single} of ${names.length} classes have one sample, and so no variance: nc1, cdnv and vci come out too low (minSamples=2 leaves them out)`,
    );
  }
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  if (most >= 2 * least) {
    context.warn(
      `classes of ${least} to ${most} samples: the centre is the mean of class means, not of samples${
        target === 'simplex'
          ? '; a model of imbalanced classes may collapse to another frame (target=orthogonal)'
          : ''
      }`,
    );
  }
  if (names.length === 2 && target === 'simplex') {
    context.warn(
      'with two classes centred means are always opposite: nc2, gnc2 and etfError say nothing',
    );
  }
}

/** `a of b layers`, or the only one by name. */
function where(found: readonly LayerCollapse[], layers: readonly LayerCollapse[]): string {
  if (layers.length === 1 || found.length === 1) return found[0]!.label;
  return `${found.length} of ${layers.length} layers (${found[0]!.label} first)`;
}

/** Say once for all layers what holds for some of them. */
export function warnOfLayers(
  layers: readonly LayerCollapse[],
  { target }: Settings,
  classifier: Pick<Classifier, 'layer'> | undefined,
  context: AnalysisContext,
): void {
  const tell = (test: (layer: LayerCollapse) => boolean, say: (first: LayerCollapse) => string) => {
    const found = layers.filter(test);
    if (found.length > 0) context.warn(`${where(found, layers)}: ${say(found[0]!)}`);
  };
  tell(
    ({ rank }) => rank === 0,
    () => 'all class means coincide, so that its values are null',
  );
  const classes = layers[0]!.classes.names.length;
  tell(
    ({ d }) => target === 'simplex' && classes > d + 1,
    ({ d }) =>
      `${classes} classes make no simplex in ${d} units (at most ${d + 1}): nc2.angle and etfError cannot reach 0, look at gnc2`,
  );
  tell(
    ({ rank, coincident }) => rank > 0 && coincident > 0,
    ({ coincident, values }) =>
      `${coincident} pairs of classes have one mean, so that cdnv is infinite, written as null${
        values['cdnv.median'] === null ? '' : '; see cdnv.median'
      }`,
  );
  tell(
    ({ rank, parallel }) => rank > 0 && parallel > 0,
    ({ parallel }) =>
      `means of ${parallel} pairs of classes point one way, so that gnc2 is infinite, written as null`,
  );
  tell(
    ({ noVci }) => noVci !== undefined,
    ({ noVci }) =>
      `vci is null: it ${noVci}${noVci!.startsWith('has') ? ', and would be 0 whatever the features' : ''}`,
  );
  tell(
    ({ noVci, n, d }) => noVci === undefined && n < enoughSamples * d,
    ({ n, d }) =>
      `${n} samples for ${d} units: features that know nothing of the classes would have vci ${(1 - d / (n - 1)).toFixed(2)}, not 1; use ${enoughSamples} samples a unit or more`,
  );
  if (!classifier) {
    context.warn('nc3, nc4 and unc3 are null: they need the classifier (W=FILE, b=FILE)');
    return;
  }
  if (classifier.layer !== undefined) {
    if (layers.length > 1) {
      context.warn(
        `nc3, nc4 and unc3 are those of ${classifier.layer}, which the model’s classifier reads, and null elsewhere`,
      );
    }
    return;
  }
  const unfit = layers.filter(({ values }) => values.nc4 === null);
  if (unfit.length > 0) {
    context.warn(
      `${where(unfit, layers)}: W is for another number of units, so that nc3, nc4 and unc3 are null`,
    );
  }
}
