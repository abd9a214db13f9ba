import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import type * as ort from 'onnxruntime-node';
import { UserError } from '../errors.ts';
import type { Runnable, RunnableGraph, TfjsGraph } from '../models/model.ts';
import { GraphBuilder, type OnnxType } from '../onnx/graph-builder.ts';
import type { Floats } from '../tensor/matrix.ts';
import { DeviceMatrix } from './device-matrix.ts';
import type { DeviceChoice, DeviceName, DeviceReport } from './engine.ts';

type Runtime = typeof ort;

type TensorType = Exclude<OnnxType, 'bfloat16' | 'string'>;

/** What a graph takes: row-major data with its shape. */
export interface FeedTensor {
  readonly dtype: TensorType;
  readonly dims: readonly number[];
  readonly data: ArrayBufferView & ArrayLike<number | bigint>;
}
export type Feeds = Readonly<Record<string, FeedTensor>>;

/** Arrays of ours that outputs of known shape are written to, so that no copy is left to collect. */
export type Targets = Readonly<Record<string, { data: Floats; dims: readonly number[] }>>;

/** A model's output, whatever its type in the graph, as float32. */
export interface ModelOutput {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** What a graph of ours gives back. */
export interface OutputTensor {
  readonly dtype: TensorType;
  readonly dims: readonly number[];
  /** Of the array type that goes with `dtype`. */
  readonly data: Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array;
}

/** A model that is loaded and can be run many times. Runs block the process they run in. */
export interface ModelSession {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** What runs it where that is not the engine's own device, e.g. `tfjs wasm`. */
  readonly runtime?: string;
  /**
   * Outputs by name: `outputs`, else those that the graph was made for, else all of them.
   * @throws UserError `failed` where the native runtime refuses, with its reason on one line.
   */
  run(feeds: Feeds, outputs?: readonly string[]): Promise<Record<string, ModelOutput>>;
  release(): Promise<void>;
}

const reasonOf = (error: unknown) => {
  const text = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').trim();
  // Native messages open with source file, line and function: keep what follows.
  return text
    .replace(/^.*\bwas false\. /, '')
    .replace(/^.*\[ONNXRuntimeError\] : \d+ : \w+ : /, '')
    .replace(/\/onnxruntime_src\/\S+ .*?\) ?/g, '')
    .slice(0, 300);
};

let runtime: Promise<Runtime> | undefined;

async function loadRuntime(): Promise<Runtime> {
  runtime ??= import('onnxruntime-node').then(
    // A bundled CommonJS package arrives as the default export.
    (module) => (module as Runtime & { default?: Runtime }).default ?? module,
  );
  try {
    return await runtime;
  } catch (error) {
    runtime = undefined;
    throw new UserError(
      'device',
      'onnxruntime',
      `cannot be loaded: ${reasonOf(error)}`,
      'install the build of Repscope made for this platform',
      error,
    );
  }
}

/** Why a device cannot even be tried here; undefined where it can. */
function knownAbsence(runtime: Runtime, device: DeviceName): string | undefined {
  if (device === 'cpu') return undefined;
  if (!runtime.listSupportedBackends().some(({ name }) => name === device)) {
    return `onnxruntime has no ${device} provider for ${process.platform}-${process.arch}`;
  }
  if (device !== 'cuda') return undefined;
  // Asking for CUDA without its libraries works too, but the native loader writes to stderr.
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const folder = join(root, 'bin', 'napi-v6', process.platform, process.arch);
  const library =
    process.platform === 'win32'
      ? 'onnxruntime_providers_cuda.dll'
      : 'libonnxruntime_providers_cuda.so';
  return existsSync(join(folder, library)) ? undefined : `${library} is not installed`;
}

const remedies: Record<DeviceName, string> = {
  cpu: 'install the build of Repscope made for this platform',
  webgpu: 'choose the device cpu or auto, or install a Vulkan, Metal or Direct3D 12 driver',
  cuda: 'choose the device cpu or auto, or install the CUDA libraries of onnxruntime',
};

function sessionOptions(device: DeviceName): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: [device],
    logSeverityLevel: 4,
    intraOpNumThreads: availableParallelism(),
    // Threads that spin between runs take the processor from the editor.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  };
}

/** Edge of the product that tells devices apart, and of a small one that finds the hopeless. */
const calibrationSize = 1024;
const trialSize = 256;
/** A device below this, a software adapter, is not worth the time of the full product. */
const hopelessGflops = 5;

function productGraph(): Uint8Array {
  const graph = new GraphBuilder('calibration');
  const a = graph.input('a', 'float32', ['n', 'n']);
  graph.output(graph.op('MatMul', [a, a], {}, 'product'), 'float32', ['n', 'n']);
  return graph.finish();
}

/** A copy of a matrix. */
function uploadGraph(): Uint8Array {
  const graph = new GraphBuilder('upload');
  const x = graph.input('x', 'float32', ['n', 'd']);
  graph.output(graph.op('Identity', [x], {}, 'y'), 'float32', ['n', 'd']);
  return graph.finish();
}

/** GFLOP/s of a float32 product of two n × n matrices, best of three after a first run. */
async function measure(runtime: Runtime, session: ort.InferenceSession, n: number) {
  const a = new runtime.Tensor('float32', new Float32Array(n ** 2).fill(1), [n, n]);
  await session.run({ a });
  let best = Infinity;
  for (let repeat = 0; repeat < 3; repeat++) {
    const start = performance.now();
    await session.run({ a });
    best = Math.min(best, performance.now() - start);
  }
  return Math.round((2 * n ** 3) / best / 1e6);
}

/** Try one device with a real product, and time it where asked. Never throws. */
async function tryDevice(
  runtime: Runtime,
  name: DeviceName,
  timed: boolean,
): Promise<DeviceReport> {
  try {
    const absence = knownAbsence(runtime, name);
    if (absence !== undefined) return { name, available: false, reason: absence };
    const session = await runtime.InferenceSession.create(productGraph(), sessionOptions(name));
    let gflops = await measure(runtime, session, trialSize);
    if (timed && gflops > hopelessGflops) {
      gflops = await measure(runtime, session, calibrationSize);
    }
    await session.release();
    return { name, available: true, gflops };
  } catch (error) {
    return { name, available: false, reason: reasonOf(error) };
  }
}

/** What this machine can run on, measured, and why not the rest. */
export async function listDevices(): Promise<DeviceReport[]> {
  const runtime = await loadRuntime();
  const reports: DeviceReport[] = [];
  // One at a time: they share the processor.
  for (const name of ['cpu', 'webgpu', 'cuda'] as const) {
    reports.push(await tryDevice(runtime, name, true));
  }
  return reports;
}

/** `auto`: an accelerator only where it beats the processor (a software adapter does not). */
async function chooseDevice(runtime: Runtime): Promise<DeviceName> {
  const accelerators: DeviceReport[] = [];
  for (const name of ['cuda', 'webgpu'] as const) {
    const report = await tryDevice(runtime, name, true);
    if (report.available) accelerators.push(report);
  }
  if (accelerators.length === 0) return 'cpu';
  const candidates = [await tryDevice(runtime, 'cpu', true), ...accelerators];
  return candidates.reduce((a, b) => ((b.gflops ?? 0) > (a.gflops ?? 0) ? b : a)).name;
}

/**
 * Start the engine on the device asked for, or on the fastest.
 * @throws UserError `device` where the device asked for cannot be used, with the reason.
 */
export async function createEngine(choice: DeviceChoice): Promise<Engine> {
  const runtime = await loadRuntime();
  if (choice === 'auto') return new Engine(runtime, await chooseDevice(runtime));
  if (choice !== 'cpu') {
    const report = await tryDevice(runtime, choice, false);
    if (!report.available) {
      throw new UserError(
        'device',
        `device ${choice}`,
        report.reason ?? 'is not available',
        remedies[choice],
      );
    }
  }
  return new Engine(runtime, choice);
}

/** Runs generated graphs and users' models on one device. */
export class Engine {
  readonly device: DeviceName;
  readonly #runtime: Runtime;
  readonly #sessions = new Map<string, Promise<ort.InferenceSession>>();
  readonly #uploaded = new Set<DeviceMatrix>();

  constructor(runtime: Runtime, device: DeviceName) {
    this.#runtime = runtime;
    this.device = device;
  }

  /**
   * Run a graph of ours; its session is kept for the next call with the same bytes.
   * @param into where to write outputs; then all of them are named
   */
  async run(
    graph: Uint8Array,
    feeds: Readonly<Record<string, FeedTensor | DeviceMatrix>>,
    into?: Targets,
  ): Promise<Record<string, OutputTensor>> {
    try {
      const session = await this.#session(graph);
      const inputs = tensorsOf(this.#runtime, feeds);
      const outputs = into && mapValues(into, (target) => tensorOf(this.#runtime, target));
      return await runSession(session, inputs, outputs);
    } catch (error) {
      const remedy =
        this.device === 'cpu' ? 'please report it with the log' : 'choose the device cpu';
      throw nativeError(`device ${this.device}`, error, remedy);
    }
  }

  #session(
    graph: Uint8Array,
    more: Partial<ort.InferenceSession.SessionOptions> = {},
  ): Promise<ort.InferenceSession> {
    const key = createHash('sha256').update(graph).digest('hex');
    let session = this.#sessions.get(key);
    if (session === undefined) {
      const options = { ...sessionOptions(this.device), ...more };
      session = this.#runtime.InferenceSession.create(graph, options);
      this.#sessions.set(key, session);
    }
    return session;
  }

  /**
   * Put a matrix, `columns` wide, where the kernels run, to be used in several of them. It is freed
   * with the engine if not before.
   */
  async upload(data: Floats, columns: number): Promise<DeviceMatrix> {
    const tensor = tensorOf(this.#runtime, { data, dims: [data.length / columns, columns] });
    // Under CUDA outputs come back to the host; on the processor there is nowhere to go.
    if (this.device !== 'webgpu' || tensor.type !== 'float32') return new DeviceMatrix(tensor);
    try {
      const session = await this.#session(uploadGraph(), {
        preferredOutputLocation: 'gpu-buffer',
      });
      const { y } = (await session.run({ x: tensor })) as Record<string, ort.Tensor>;
      const matrix = new DeviceMatrix(y!, (disposed) => void this.#uploaded.delete(disposed));
      this.#uploaded.add(matrix);
      return matrix;
    } catch (error) {
      throw nativeError(`device ${this.device}`, error, 'choose the device cpu');
    }
  }

  /**
   * Load a model, called `name` in errors. Weights outside the graph are mapped, not read, so that
   * opening is quick. Models of TensorFlow.js run there, on its best backend, not on this device.
   * @throws UserError `unsupported` where the runtime refuses the model.
   */
  openModel(graph: Runnable, name = 'model'): Promise<ModelSession> {
    return graph.runtime === 'tfjs' ? openTfjs(graph, name) : this.#openOnnx(graph, name);
  }

  async #openOnnx(graph: RunnableGraph, name: string): Promise<ModelSession> {
    const runtime = this.#runtime;
    const options = sessionOptions(this.device);
    // Fusions past this level depend on which inner values are outputs, and shift their last bits.
    options.graphOptimizationLevel = 'basic';
    if (graph.externalFolder !== undefined) {
      options.extra = {
        session: {
          ...(options.extra?.['session'] as object),
          disable_prepacking: '1',
          model_external_initializers_file_folder_path: graph.externalFolder,
        },
        // Folding would keep all 16-bit weights widened, at twice their bytes, for as long as it runs.
        optimization: { disable_specified_optimizers: 'ConstantFolding' },
      };
    }
    let session: ort.InferenceSession;
    try {
      session = await runtime.InferenceSession.create(graph.bytes, options);
    } catch (error) {
      throw new UserError(
        'unsupported',
        name,
        `onnxruntime cannot load it: ${reasonOf(error)}`,
        'check the file, or export it again with a current exporter',
        error,
      );
    }
    const wanted = graph.outputs.length > 0 ? graph.outputs : session.outputNames;
    return {
      inputs: session.inputNames,
      outputs: session.outputNames,
      run: async (feeds, outputs = wanted) => {
        try {
          const answer = await runSession(session, tensorsOf(runtime, feeds), outputs);
          return mapValues(answer, ({ dims, data }) => ({ dims, data: toFloat32(data) }));
        } catch (error) {
          throw nativeError(name, error, 'check that the probe fits the model’s inputs');
        }
      },
      release: () => session.release(),
    };
  }

  /** Free all uploaded matrices and all sessions of generated graphs. */
  async dispose(): Promise<void> {
    for (const matrix of this.#uploaded) matrix.dispose();
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const session of sessions) await (await session).release();
  }
}

/** Loaded only where a model needs it. */
async function openTfjs(graph: TfjsGraph, name: string): Promise<ModelSession> {
  // Outside: errors of reading name the file of weights.
  const artifacts = await graph.read();
  let session: ModelSession;
  try {
    const { openTfjsSession } = await import('./tfjs/session.ts');
    session = await openTfjsSession(graph, artifacts);
  } catch (error) {
    throw new UserError(
      'unsupported',
      name,
      `TensorFlow.js cannot load it: ${reasonOf(error)}`,
      'check the file, or convert the model again',
      error,
    );
  }
  return {
    ...session,
    run: (feeds, outputs) =>
      session.run(feeds, outputs).catch((error: unknown) => {
        throw nativeError(name, error, 'check that the probe fits the model’s inputs');
      }),
  };
}

const nativeError = (where: string, error: unknown, remedy: string) =>
  new UserError('failed', where, `the run failed: ${reasonOf(error)}`, remedy, error);

const mapValues = <T, U>(record: Readonly<Record<string, T>>, change: (value: T) => U) =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));

function toFloat32(data: OutputTensor['data'] | Uint16Array): Float32Array {
  if (data instanceof Float32Array) return data;
  // Where the JavaScript engine has no Float16Array, float16 arrives as its bits.
  if (data instanceof Uint16Array) return Float32Array.from(data, halfToNumber);
  return Float32Array.from(data as ArrayLike<number | bigint>, Number);
}

/** IEEE 754 binary16. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function tensorOf(
  runtime: Runtime,
  { data, dims }: { data: FeedTensor['data']; dims: readonly number[] },
  dtype: TensorType = data instanceof Float64Array ? 'float64' : 'float32',
): ort.Tensor {
  // The constructor's overloads tie each type to its array; here they arrive as a pair.
  return new runtime.Tensor(dtype, data as unknown as Float32Array, dims);
}

const tensorsOf = (
  runtime: Runtime,
  feeds: Readonly<Record<string, FeedTensor | DeviceMatrix>>,
): Record<string, ort.Tensor> =>
  mapValues(feeds, (feed) =>
    feed instanceof DeviceMatrix ? feed.tensor : tensorOf(runtime, feed, feed.dtype),
  );

async function runSession(
  session: ort.InferenceSession,
  inputs: Record<string, ort.Tensor>,
  outputs: readonly string[] | Record<string, ort.Tensor> = session.outputNames,
): Promise<Record<string, OutputTensor>> {
  const answer = await session.run(inputs, outputs);
  return mapValues(answer as Readonly<Record<string, ort.Tensor>>, ({ type, dims, data }) => ({
    dtype: type as TensorType,
    dims,
    data: data as OutputTensor['data'],
  }));
}
