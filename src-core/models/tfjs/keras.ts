// The topology of a layers model: Keras' own JSON.
import { elementCount } from '../../tensor/convert.ts';
import type { DType } from '../../tensor/dtype.ts';
import type { TfjsWeight } from '../../tensor/tfjs.ts';
import type { LayerAxes, LayerInfo, ValueInfo } from '../model.ts';
import { isObject, listAt, objectAt, textAt, type JsonObject } from '../../bytes/json-value.ts';
import { outputShape, shapeOf, type Shape } from './keras-shapes.ts';

/** What a topology says of its model. */
export interface Topology {
  architecture: string | undefined;
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  layers: LayerInfo[];
  /** Why the model cannot be run, where the topology shows it. */
  problem?: string;
}

interface Layer {
  name: string;
  kind: string;
  config: JsonObject;
  /** Of each time that the layer is used: the uses that feed it. */
  uses: Use[][];
}
interface Use {
  layer: string;
  index: number;
}

/** Values that only rearrange or pass on, and those that only act on single numbers. */
const passing =
  /^(InputLayer|(Spatial)?Dropout(1D|2D|3D)?|AlphaDropout|Gaussian(Noise|Dropout)|Flatten|Reshape|Permute|RepeatVector|ZeroPadding2D|Cropping2D|Masking|UpSampling2D|.*Pooling\dD)$/;
const elementwise = /^(Activation|.*ReLU|ELU|Softmax|ThresholdedReLU|(Batch|Layer)Normalization)$/;

const inputTypes: Readonly<Record<string, DType>> = { int32: 'int32', bool: 'bool' };

/** Reads the topology of a layers model, Sequential or functional. */
export function readKeras(topology: JsonObject, weights: Iterable<TfjsWeight>): Topology {
  const model = isObject(topology['model_config']) ? topology['model_config'] : topology;
  const architecture = textAt(model, 'class_name');
  const { config } = model;
  const isSequential = Array.isArray(config) || architecture === 'Sequential';
  const list = Array.isArray(config) ? (config as unknown[]) : listAt(config, 'layers');
  const layers = isSequential ? sequence(list) : network(list);
  const names = new Set(layers.map(({ name }) => name));
  if (layers.length === 0 || names.size < layers.length) {
    return {
      architecture,
      inputs: [],
      outputs: [],
      layers: [],
      problem:
        layers.length === 0 ? 'its topology has no layers' : 'two of its layers have one name',
    };
  }
  const shapes = shapesOf(layers);
  const ends = isSequential
    ? [{ layer: layers.at(-1)!.name, index: 0 }]
    : places(config, 'output_layers');
  const starts = new Map(
    isSequential ? [] : places(config, 'input_layers').map(({ layer }, i) => [layer, i]),
  );
  const inputs = layers
    .filter(({ kind }, i) => kind === 'InputLayer' || (isSequential && i === 0))
    .sort((a, b) => (starts.get(a.name) ?? 0) - (starts.get(b.name) ?? 0));
  const counts = new Map(layers.map(({ name, uses }) => [name, uses.length]));
  const label = ({ layer, index }: Use) => valueName(layer, index, counts.get(layer) ?? 1);
  return {
    architecture: textAt(config, 'name') ?? architecture,
    inputs: inputs.map(({ name, kind, config: own }) => ({
      // What Keras calls the input of a Sequential model.
      name: kind === 'InputLayer' ? name : `${name}_input`,
      dtype: inputTypes[textAt(own, 'dtype') ?? ''] ?? 'float32',
      shape: shapeOf(own['batch_input_shape'] ?? own['batch_shape']) ?? [],
    })),
    outputs: ends.map((end) => ({
      name: label(end),
      dtype: 'float32',
      shape: shapes.get(`${end.layer}:${end.index}`) ?? [],
    })),
    layers: describe(layers, shapes, new Set(ends.map(label)), ownParameters(layers, weights)),
  };
}

const layerOf = (entry: unknown, uses: Use[][]): Layer | undefined => {
  const config = objectAt(entry, 'config');
  const name = textAt(config, 'name') ?? textAt(entry, 'name');
  const kind = textAt(entry, 'class_name');
  return name === undefined || kind === undefined ? undefined : { name, kind, config, uses };
};

function sequence(list: readonly unknown[]): Layer[] {
  const layers: Layer[] = [];
  for (const entry of list) {
    const last = layers.at(-1);
    const layer = layerOf(entry, [last ? [{ layer: last.name, index: 0 }] : []]);
    if (layer) layers.push(layer);
  }
  return layers;
}

function network(list: readonly unknown[]): Layer[] {
  return list.flatMap((entry) => {
    const nodes = listAt(entry, 'inbound_nodes');
    const uses = nodes.map((node) => (Array.isArray(node) ? node.flatMap(useOf) : []));
    return layerOf(entry, uses.length > 0 ? uses : [[]]) ?? [];
  });
}

/** `[layer, use, output, arguments]`. */
function useOf(entry: unknown): Use[] {
  if (!Array.isArray(entry) || typeof entry[0] !== 'string') return [];
  return [{ layer: entry[0], index: Number.isSafeInteger(entry[1]) ? Number(entry[1]) : 0 }];
}

/** Layers that the model begins or ends with: one triple, or a list of them. */
function places(config: unknown, key: string): Use[] {
  const list = listAt(config, key);
  return typeof list[0] === 'string' ? useOf(list) : list.flatMap(useOf);
}

/** A layer that is used more than once has a value for each use. */
const valueName = (name: string, index: number, uses: number) =>
  uses > 1 ? `${name}:${index}` : name;

/** By `layer:use`. Layers are listed in an order in which each comes after what feeds it. */
function shapesOf(layers: readonly Layer[]): Map<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (const { name, kind, config, uses } of layers) {
    const given = shapeOf(config['batch_input_shape'] ?? config['batch_shape']);
    uses.forEach((use, index) => {
      const inputs = use.map(({ layer, index: at }) => shapes.get(`${layer}:${at}`));
      const known = use.length === 0 && given ? [given] : inputs;
      if (!known.every((shape) => shape !== undefined)) return;
      const shape = kind === 'InputLayer' ? given : outputShape(kind, config, known);
      if (shape) shapes.set(`${name}:${index}`, shape);
    });
  }
  return shapes;
}

/** Elements of the weights under each layer's name; those of a nested model's layers are its own. */
function ownParameters(
  layers: readonly Layer[],
  weights: Iterable<TfjsWeight>,
): Map<string, number> {
  const owners = new Map(layers.map(({ name }) => [name, name]));
  for (const { name, config } of layers) {
    const nested = [...listAt(config, 'layers')];
    for (let inner = nested.pop(); inner !== undefined; inner = nested.pop()) {
      const own = objectAt(inner, 'config');
      const innerName = textAt(own, 'name');
      if (innerName !== undefined && !owners.has(innerName)) owners.set(innerName, name);
      for (const further of listAt(own, 'layers')) nested.push(further);
    }
  }
  const counts = new Map<string, number>();
  for (const { name, shape } of weights) {
    for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1)) {
      const owner = owners.get(name.slice(0, end));
      if (owner === undefined) continue;
      counts.set(owner, (counts.get(owner) ?? 0) + elementCount(shape));
      break;
    }
  }
  return counts;
}

const axesOf = (kind: string, shape: Shape | undefined): LayerAxes => {
  if (shape?.length === 4 || (!shape && kind.endsWith('Conv2D'))) return 'image';
  if (shape?.length === 3) return 'tokens';
  return shape?.length === 2 || (!shape && kind === 'Dense') ? 'features' : 'unknown';
};

/** More values than these by default would say the same many times. */
const maxDefaults = 40;

function describe(
  layers: readonly Layer[],
  shapes: ReadonlyMap<string, Shape>,
  outputs: ReadonlySet<string>,
  parameters: ReadonlyMap<string, number>,
): LayerInfo[] {
  const kinds = new Map(layers.map(({ name, kind }) => [name, kind]));
  /** Layers whose value something else than a normalisation or activation takes. */
  const taken = new Set(
    layers
      .filter(({ kind }) => !elementwise.test(kind))
      .flatMap(({ uses }) => uses.flat().map(({ layer }) => layer)),
  );
  const ends = new Set([...taken].filter((name) => !passing.test(kinds.get(name) ?? '')));
  // In a residual network the sums are what is carried on.
  const sums = new Set([...ends].filter((name) => kinds.get(name) === 'Add'));
  const chosen = ends.size > maxDefaults && sums.size > 0 ? sums : ends;
  return layers
    .filter(({ kind }) => kind !== 'InputLayer')
    .flatMap(({ name, kind, uses }) =>
      uses.map((_, index): LayerInfo => {
        const value = valueName(name, index, uses.length);
        const shape = shapes.get(`${name}:${index}`);
        const own = parameters.get(name);
        return {
          name: value,
          kind,
          axes: axesOf(kind, shape),
          ...(shape && { shape }),
          ...(own !== undefined && { parameters: own }),
          default: outputs.has(value) || chosen.has(name),
        };
      }),
    );
}
