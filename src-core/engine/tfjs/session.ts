// TensorFlow.js: loaded by the engine, in a worker, for models that need it.
import { loadGraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel, model as submodel } from '@tensorflow/tfjs-layers';
import type { TfjsArtifacts, TfjsGraph } from '../../models/model.ts';
import type { FeedTensor, Feeds, ModelOutput, ModelSession } from '../device-engine.ts';
import { runtimeName, startBackend } from './backend.ts';

/** A model with the asked-for values as its outputs. */
interface Loaded {
  run(inputs: tf.NamedTensorMap, outputs: readonly string[]): Promise<tf.Tensor[]>;
  dispose(): void;
}

/**
 * Loads a model with the graph's outputs. Values keep the layout of TensorFlow: images are
 * batch × height × width × channels.
 * @throws Error in the words of TensorFlow.js
 */
export async function openTfjsSession(
  graph: TfjsGraph,
  artifacts: TfjsArtifacts,
): Promise<ModelSession> {
  const { modelTopology } = artifacts;
  const operators = operatorsOf(modelTopology);
  const runtime = runtimeName(await startBackend(operators));
  const handler = tf.io.fromMemory({
    ...artifacts,
    modelTopology: graph.kind === 'layers' ? withZeros(modelTopology) : modelTopology,
    weightSpecs: artifacts.weightSpecs as tf.io.WeightsManifestEntry[],
  });
  const load = { layers: loadLayers, graph: loadGraph }[graph.kind];
  const loaded = await load(handler, graph);
  return {
    inputs: graph.inputs.map(({ name }) => name),
    outputs: graph.outputs,
    runtime,
    async run(feeds, outputs = graph.outputs) {
      // Another model may have run on another backend meanwhile.
      await startBackend(operators);
      const inputs = tensorsOf(feeds, graph);
      try {
        const tensors = await loaded.run(inputs, outputs);
        const values = await Promise.all(tensors.map(valueOf));
        tf.dispose(tensors);
        return Object.fromEntries(outputs.map((name, i) => [name, values[i]!]));
      } finally {
        tf.dispose(inputs);
      }
    },
    release: () => {
      loaded.dispose();
      return Promise.resolve();
    },
  };
}

/**
 * A topology whose layers begin as zeros, not as random numbers: their weights come from the files.
 * (Some initialisers also need parts of TensorFlow.js that are not in the product.)
 */
const withZeros = (topology: object) =>
  JSON.parse(JSON.stringify(topology), (key, value: unknown) =>
    key.endsWith('_initializer') && value !== null ? { class_name: 'Zeros', config: {} } : value,
  ) as object;

/** Operators that a model names, or that its layers are known to use. */
function operatorsOf(topology: object): Set<string> {
  const operators = new Set<string>();
  JSON.stringify(topology, (key, value: unknown) => {
    if (key === 'op' && typeof value === 'string') operators.add(value);
    if (key === 'class_name' && value === 'MultiHeadAttention') operators.add('Einsum');
    return value;
  });
  return operators;
}

async function loadLayers(handler: tf.io.IOHandler, graph: TfjsGraph): Promise<Loaded> {
  const whole = await loadLayersModel(handler);
  try {
    const values = graph.outputs.map((name) => {
      const [, layer, node] = /^(.*?)(?::(\d+))?$/s.exec(name)!;
      const known = whole.layers.some((other) => other.name === name);
      const source = whole.getLayer(known ? name : layer!);
      // A model within a model has an output of its own before those of its uses.
      const first = 'layers' in source ? 1 : 0;
      const found = source.getOutputAt(known ? first : first + Number(node));
      return Array.isArray(found) ? found[0]! : found;
    });
    const tapped = submodel({ inputs: whole.inputs, outputs: values });
    const positions = new Map(graph.outputs.map((name, i) => [name, i]));
    return {
      run: (inputs, outputs) => {
        const ordered = graph.inputs.map(({ name }) => inputs[name]!);
        const tensors = tf.tidy(() => [tapped.predictOnBatch(ordered)].flat());
        return Promise.resolve(outputs.map((name) => tensors[positions.get(name)!]!));
      },
      dispose: () => void whole.dispose(),
    };
  } catch (error) {
    whole.dispose();
    throw error;
  }
}

async function loadGraph(handler: tf.io.IOHandler): Promise<Loaded> {
  const whole = await loadGraphModel(handler);
  let isDynamic = false;
  return {
    run: async (inputs, outputs) => {
      const names = [...outputs];
      if (!isDynamic) {
        try {
          return [whole.execute(inputs, names)].flat();
        } catch (error) {
          // Control flow and values of no fixed size are refused by name of the other method.
          if (!String(error).includes('executeAsync')) throw error;
          isDynamic = true;
        }
      }
      return [await whole.executeAsync(inputs, names)].flat();
    },
    dispose: () => whole.dispose(),
  };
}

function tensorsOf(feeds: Feeds, { inputs }: TfjsGraph): tf.NamedTensorMap {
  return Object.fromEntries(inputs.map(({ name }) => [name, tensorOf(feeds[name]!)]));
}

/** TensorFlow.js has float32, int32 and bool. */
function tensorOf({ dtype, dims, data }: FeedTensor): tf.Tensor {
  const shape = [...dims];
  if (dtype.startsWith('float')) return tf.tensor(Float32Array.from(data, Number), shape);
  if (dtype === 'bool') return tf.tensor(Uint8Array.from(data, Number), shape, 'bool');
  return tf.tensor(Int32Array.from(data, Number), shape, 'int32');
}

async function valueOf(tensor: tf.Tensor): Promise<ModelOutput> {
  const data = await tensor.data();
  return {
    dims: tensor.shape,
    data: data instanceof Float32Array ? data : Float32Array.from(data),
  };
}
