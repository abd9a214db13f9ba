import type { FingerprintOptions } from '../bytes/fingerprint.ts';
import type { PixelScaling } from '../probes/pixel-scaling.ts';
import type { DType } from '../tensor/dtype.ts';
import type { BlockType } from '../tensor/gguf-blocks.ts';

/** How a tensor's elements are stored: one by one, or in quantised blocks. */
export type ElementType = DType | BlockType;

export interface TensorInfo {
  name: string;
  dtype: ElementType;
  shape: number[];
  /** Size in the file, in bytes. */
  bytes: number;
}

/** A graph input or output; a dimension is a number, a symbolic name, or null where unknown. */
export interface ValueInfo {
  name: string;
  dtype: DType;
  shape: (number | string | null)[];
}

/** What the axes of a layer's value mean, which decides how it becomes samples × units. */
export type LayerAxes = 'features' | 'tokens' | 'image' | 'attention' | 'unknown';

/** A value that can be captured, in forward order. */
export interface LayerInfo {
  /** Unique within the model; what `--layers` globs match and what results are labelled with. */
  name: string;
  /** Operator (`Conv`, `Gemm`, …) or role (`hidden state`, `attention probabilities`, …). */
  kind: string;
  axes: LayerAxes;
  /** First axis is the batch; absent where shape inference says nothing. */
  shape?: (number | string | null)[];
  /** Weights that this layer alone owns. */
  parameters?: number;
  /** The model inputs that the value needs; all of them where absent. */
  inputs?: string[];
  /** True for layers analysed when the user names none. */
  default: boolean;
}

export type ModelFormat =
  'onnx' | 'huggingface' | 'safetensors' | 'gguf' | 'torch' | 'keras' | 'tfjs';

/** Formats by the names that people know them by. */
export const formatNames: Record<ModelFormat, string> = {
  onnx: 'ONNX',
  huggingface: 'Hugging Face checkpoint',
  safetensors: 'safetensors',
  gguf: 'GGUF',
  torch: 'PyTorch checkpoint',
  keras: 'Keras (HDF5)',
  tfjs: 'TensorFlow.js',
};

export interface Finding {
  severity: 'info' | 'warning' | 'error';
  code: string;
  message: string;
}

/** All that can be said of a model without running it; plain data, cheap to send. */
export interface ModelOutline {
  /** Absolute path of the file or folder. */
  path: string;
  /** Short name for labels. */
  name: string;
  format: ModelFormat;
  /** `BertModel`, an ONNX producer, … */
  architecture?: string;
  /** Bytes on disk of all files that belong to the model. */
  bytes: number;
  parameters: number;
  /** Parameter count by element type. */
  dtypes: Partial<Record<ElementType, number>>;
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  layers: LayerInfo[];
  tensors: TensorInfo[];
  metadata: Record<string, string>;
  findings: Finding[];
  /** False where only weights are known (a lone safetensors file): inspection, no capture. */
  runnable: boolean;
  /** Why not, where `runnable` is false. */
  notRunnableBecause?: string;
}

/** A graph for onnxruntime whose weights stay in the model's own files. */
export interface RunnableGraph {
  runtime?: undefined;
  /** Serialised ModelProto without large weights. */
  bytes: Uint8Array;
  /** Folder that external data locations are relative to. */
  externalFolder?: string;
  inputs: ValueInfo[];
  /** Names of the outputs that hold the asked-for layers, in the order asked. */
  outputs: string[];
}

/** What TensorFlow.js loads a model from. */
export interface TfjsArtifacts {
  modelTopology: object;
  /** Entries of the manifest, in the order of the bytes. */
  weightSpecs: readonly object[];
  weightData: ArrayBuffer[];
  /** Inputs and outputs of a graph model. */
  signature?: object;
}

/** A model that TensorFlow.js runs. */
export interface TfjsGraph {
  runtime: 'tfjs';
  /** Layers of Keras, or nodes of a TensorFlow graph. */
  kind: 'layers' | 'graph';
  /** Reads the weights, all of them. */
  read(): Promise<TfjsArtifacts>;
  inputs: ValueInfo[];
  /** As in {@link RunnableGraph}. */
  outputs: string[];
}

/** Whatever an engine can run. */
export type Runnable = RunnableGraph | TfjsGraph;

/** An opened model. Opening reads headers only, by byte range. */
export interface Model<Graph extends Runnable = Runnable> {
  readonly outline: ModelOutline;
  /** SHA-256 (hex) over the bytes of all files that decide what the model computes. */
  fingerprint(options?: FingerprintOptions): Promise<string>;
  /**
   * The graph with the named layers as outputs.
   * @throws UserError `unsupported` where the model cannot be run.
   */
  graph(layers: readonly string[]): Promise<Graph>;
  /** Names of float tensors that hold NaN or infinite values, found by streaming the weights. */
  nonFiniteTensors(signal?: AbortSignal): Promise<string[]>;
  /** Folder with `tokenizer.json`, where there is one. */
  readonly tokenizerFolder?: string;
  /** How pixels are to enter it, where its files say so. */
  readonly pixelScaling?: PixelScaling;
}
