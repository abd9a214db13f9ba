// The digit classifiers as TensorFlow.js tensors: their definition, training and layer values.
import * as tf from '@tensorflow/tfjs';
import type { Digits } from '@repscope/core/probes/digits.ts';
import { normal } from '@repscope/core/probes/noise.ts';
import { Random } from '@repscope/core/analyses/random.ts';

export type Layer =
  | { kind: 'conv'; name: string; filters: number }
  | { kind: 'dense'; name: string; units: number }
  | { kind: 'relu' | 'pool' | 'flatten' | 'softmax'; name: string };

const relu = (name: string): Layer => ({ kind: 'relu', name });
const classifier: readonly Layer[] = [
  { kind: 'dense', name: 'logits', units: 10 },
  { kind: 'softmax', name: 'probabilities' },
];

/** 784-128-64-10. */
export const mlp: readonly Layer[] = [
  { kind: 'dense', name: 'dense1', units: 128 },
  relu('dense1_relu'),
  { kind: 'dense', name: 'dense2', units: 64 },
  relu('dense2_relu'),
  ...classifier,
];

/** Two 3 × 3 convolutions, each followed by 2 × 2 pooling, and a hidden dense layer of 32. */
export const cnn: readonly Layer[] = [
  { kind: 'conv', name: 'conv1', filters: 8 },
  relu('conv1_relu'),
  { kind: 'pool', name: 'pool1' },
  { kind: 'conv', name: 'conv2', filters: 16 },
  relu('conv2_relu'),
  { kind: 'pool', name: 'pool2' },
  { kind: 'flatten', name: 'flatten' },
  { kind: 'dense', name: 'dense1', units: 32 },
  relu('dense1_relu'),
  ...classifier,
];

/** Kernel and bias of each conv (3 × 3 × in × out) and dense (in × out) layer, by layer name. */
export type Weights = Map<string, { kernel: tf.Variable; bias: tf.Variable }>;

export interface Network {
  layers: readonly Layer[];
  weights: Weights;
}

const takesImages = (layers: readonly Layer[]) => layers[0]?.kind === 'conv';

/** He-normal kernels from a seed, zero biases. */
export function initialise(layers: readonly Layer[], seed: number): Network {
  const weights: Weights = new Map();
  let shape = takesImages(layers) ? [28, 28, 1] : [784];
  for (const [index, layer] of layers.entries()) {
    if (layer.kind === 'pool') shape = [shape[0]! / 2, shape[1]! / 2, shape[2]!];
    if (layer.kind === 'flatten') shape = [shape[0]! * shape[1]! * shape[2]!];
    if (layer.kind !== 'conv' && layer.kind !== 'dense') continue;
    const features = shape.at(-1)!;
    const conv = layer.kind === 'conv';
    const size = conv ? [3, 3, features, layer.filters] : [features, layer.units];
    const deviation = Math.sqrt(2 / (conv ? 9 * features : features));
    const chance = new Random(seed * 2 ** 32 + index);
    const kernel = Float32Array.from(
      { length: size.reduce((product, side) => product * side, 1) },
      () => deviation * normal(chance),
    );
    weights.set(layer.name, {
      kernel: tf.variable(tf.tensor(kernel, size)),
      bias: tf.variable(tf.zeros([size.at(-1)!])),
    });
    shape = [...shape.slice(0, -1), size.at(-1)!];
  }
  return { layers, weights };
}

type Convolve = (x: tf.Tensor4D, kernel: tf.Tensor4D) => tf.Tensor4D;

/**
 * The 3 × 3 surroundings of every pixel, zero outside the image: [N, H, W, C] → [N·H·W, 9·C], the
 * nine neighbours outermost.
 */
const surroundings = tf.customGrad((input) => {
  const x = input as tf.Tensor;
  const shape = x.shape as [number, number, number, number];
  const [n, height, width, channels] = shape;
  const rows = [n * height * width, 9 * channels];
  /** Calls back with the offset of each pixel and that of its place among a pixel's surroundings. */
  const visit = (meet: (pixel: number, place: number) => void) => {
    for (let pixel = 0; pixel < n * height * width; pixel++) {
      const column = pixel % width;
      const row = Math.floor(pixel / width) % height;
      for (let neighbour = 0; neighbour < 9; neighbour++) {
        const down = Math.floor(neighbour / 3) - 1;
        const right = (neighbour % 3) - 1;
        if (row + down < 0 || row + down >= height) continue;
        if (column + right < 0 || column + right >= width) continue;
        meet((pixel + down * width + right) * channels, (pixel * 9 + neighbour) * channels);
      }
    }
  };
  const pixels = x.dataSync();
  const patches = new Float32Array(rows[0]! * rows[1]!);
  visit((pixel, place) => {
    for (let c = 0; c < channels; c++) patches[place + c] = pixels[pixel + c]!;
  });
  return {
    value: tf.tensor(patches, rows),
    gradFunc: (slope: tf.Tensor) => {
      const from = slope.dataSync();
      const sums = new Float32Array(pixels.length);
      visit((pixel, place) => {
        for (let c = 0; c < channels; c++) sums[pixel + c]! += from[place + c]!;
      });
      return tf.tensor(sums, shape);
    },
  };
});

/**
 * A same-padded 3 × 3 convolution as one matrix product: many times as fast as tf.conv2d and its
 * gradient on the JavaScript backend, so it serves training.
 */
const convolveByProduct: Convolve = (x, kernel) => {
  const [n, height, width] = x.shape;
  const [, , channels, filters] = kernel.shape;
  return tf
    .matMul(surroundings(x), kernel.reshape([9 * channels, filters]))
    .reshape([n, height, width, filters]);
};

const convolve: Convolve = (x, kernel) => tf.conv2d(x, kernel, 1, 'same');

/** Every layer's value, by name; images are [N, H, W, C]. */
function forward(network: Network, input: tf.Tensor, conv: Convolve): Map<string, tf.Tensor> {
  const values = new Map<string, tf.Tensor>();
  let x = input;
  for (const layer of network.layers) {
    const weights = network.weights.get(layer.name);
    if (layer.kind === 'conv') {
      x = conv(x as tf.Tensor4D, weights!.kernel as tf.Tensor4D).add(weights!.bias);
    } else if (layer.kind === 'dense') x = x.matMul(weights!.kernel).add(weights!.bias);
    else if (layer.kind === 'relu') x = tf.relu(x);
    else if (layer.kind === 'pool') x = tf.maxPool(x as tf.Tensor4D, 2, 2, 'valid');
    else if (layer.kind === 'flatten') x = x.reshape([x.shape[0], -1]);
    else x = tf.softmax(x);
    values.set(layer.name, x);
  }
  return values;
}

function inputOf(network: Network, digits: Digits, start: number, end: number): tf.Tensor {
  const pixels = Float32Array.from(
    digits.images.subarray(start * 784, end * 784),
    (value) => value / 255,
  );
  const n = end - start;
  return takesImages(network.layers)
    ? tf.tensor4d(pixels, [n, 28, 28, 1])
    : tf.tensor2d(pixels, [n, 784]);
}

export interface Schedule {
  epochs: number;
  learningRate: number;
  batch: number;
  /** Stop after so many batches. */
  steps?: number;
}

/** Adam on the cross-entropy, batches in the order of the digits. */
export function train(network: Network, digits: Digits, schedule: Schedule): void {
  const optimizer = tf.train.adam(schedule.learningRate);
  const n = digits.labels.length;
  let steps = 0;
  for (let epoch = 0; epoch < schedule.epochs; epoch++) {
    for (let start = 0; start < n; start += schedule.batch) {
      if (steps++ === schedule.steps) return;
      const end = Math.min(start + schedule.batch, n);
      tf.tidy(() => {
        const x = inputOf(network, digits, start, end);
        const truth = tf.oneHot(tf.tensor1d(digits.labels.subarray(start, end), 'int32'), 10);
        optimizer.minimize(() => {
          const logits = forward(network, x, convolveByProduct).get('logits')!;
          return tf.losses.softmaxCrossEntropy(truth, logits).asScalar();
        });
      });
    }
  }
}

export interface LayerValue {
  /** As ONNX has it: [N, features] or [N, C, H, W]. */
  shape: number[];
  data: Float32Array;
}

/**
 * Values of every layer for digits `[start, end)`, in the ONNX layout (a flattened image is C, H, W
 * there), computed with tf.conv2d.
 */
export function layerValues(
  network: Network,
  digits: Digits,
  start: number,
  end: number,
): Map<string, LayerValue> {
  const found = new Map<string, LayerValue>();
  tf.tidy(() => {
    const values = forward(network, inputOf(network, digits, start, end), convolve);
    let image: tf.Tensor | undefined;
    for (const [name, value] of values) {
      let laidOut = value.rank === 4 ? tf.transpose(value, [0, 3, 1, 2]) : value;
      if (name === 'flatten') laidOut = image!.reshape([end - start, -1]);
      image = laidOut;
      found.set(name, { shape: laidOut.shape, data: laidOut.dataSync() as Float32Array });
    }
  });
  return found;
}

/** Share of digits whose most probable class is theirs. */
export function accuracy(network: Network, digits: Digits): number {
  const n = digits.labels.length;
  return tf.tidy(() => {
    const values = forward(network, inputOf(network, digits, 0, n), convolveByProduct);
    const guesses = Array.from(values.get('logits')!.argMax(1).dataSync());
    return guesses.filter((guess, i) => guess === digits.labels[i]).length / n;
  });
}
