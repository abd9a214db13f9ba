import { UserError } from '../errors.ts';
import type { Pool } from '../jobs/messages.ts';
import type { LayerInfo, Model, ValueInfo } from '../models/model.ts';
import type { Feed } from '../probes/feed.ts';
import { openProbe } from '../probes/open-probe.ts';

/**
 * The probe set `spec` for `model`. With no spec the inputs decide which of the embedded ones: all of
 * the model's, or those that `layers` need.
 *
 * @throws UserError where the probe does not fit the inputs.
 */
export async function openFeed(
  model: Model,
  spec = 'default',
  cwd: string,
  layers: readonly LayerInfo[] = [],
  pool: Pool = 'mean',
): Promise<Feed> {
  const probe = await openProbe(spec, cwd);
  const byWord = pool === 'word';
  const feed = await probe.feed({ model, inputs: neededInputs(model, layers), byWord });
  if (!byWord || feed.hasWords) return feed;
  throw new UserError(
    'usage',
    `probe '${spec}'`,
    'has no words, so it cannot be pooled by word',
    'name a probe of texts, or pool by mean',
  );
}

function neededInputs({ outline }: Model, layers: readonly LayerInfo[]): readonly ValueInfo[] {
  const all = outline.inputs;
  if (layers.length === 0 || layers.some((layer) => layer.inputs === undefined)) return all;
  const needed = new Set(layers.flatMap((layer) => layer.inputs ?? []));
  return all.filter(({ name }) => needed.has(name));
}

/**
 * Those of `layers` that the probe reaches: a model of several encoders has layers that need other
 * inputs than it fills.
 * @throws UserError `wrong-shape` where `named` (the user chose them) and one is not reached.
 */
export function fedLayers(
  layers: readonly LayerInfo[],
  feed: Feed,
  named: boolean,
): readonly LayerInfo[] {
  const missing = ({ inputs = [] }: LayerInfo) =>
    inputs.find((input) => !feed.inputs.includes(input));
  const unfed = named ? layers.find(missing) : undefined;
  if (unfed === undefined) return layers.filter((layer) => missing(layer) === undefined);
  throw new UserError(
    'wrong-shape',
    `layer '${unfed.name}'`,
    `needs ${missing(unfed)!}, which the probe '${feed.spec}' does not give`,
    'name layers of one encoder at a time, or a probe that fits with --probe',
  );
}
