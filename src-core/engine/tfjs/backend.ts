import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

type Backend = 'tensorflow' | 'wasm' | 'cpu';

let best: Promise<Backend> | undefined;

/**
 * Starts the best backend that this machine has: TensorFlow itself where `@tensorflow/tfjs-node-gpu`
 * is installed and its library loads, else WebAssembly, else JavaScript. WebAssembly gives way to
 * JavaScript where it lacks one of the `operators` that are needed.
 */
export async function startBackend(operators: Iterable<string> = []): Promise<Backend> {
  best ??= start();
  const found = await best;
  const [inWasm, inScript] = [operatorsOf('wasm'), operatorsOf('cpu')];
  const lacks = [...operators].some((name) => inScript.has(name) && !inWasm.has(name));
  const backend = found === 'wasm' && lacks ? 'cpu' : found;
  await tf.setBackend(backend);
  return backend;
}

const operatorsOf = (backend: Backend) =>
  new Set(tf.getKernelsForBackend(backend).map(({ kernelName }) => kernelName));

/** How results name it: `tfjs tensorflow gpu`, `tfjs tensorflow`, `tfjs wasm` or `tfjs cpu`. */
export function runtimeName(backend: Backend): string {
  const { isUsingGpuDevice } = tf.backend() as tf.KernelBackend & { isUsingGpuDevice?: boolean };
  return `tfjs ${backend}${isUsingGpuDevice === true ? ' gpu' : ''}`;
}

async function start(): Promise<Backend> {
  tf.enableProdMode();
  // Importing the package registers it, unless a bundler takes that import for useless.
  const registered = tf.findBackendFactory('cpu') as object | null;
  if (registered === null) {
    tf.registerBackend('cpu', () => new MathBackendCPU());
  }
  if (await loadTensorFlow()) return 'tensorflow';
  setWasmPaths(`${wasmFolder()}/`);
  return (await tf.setBackend('wasm').catch(() => false)) ? 'wasm' : 'cpu';
}

/** The package registers its backend with the TensorFlow.js of this process. */
async function loadTensorFlow(): Promise<boolean> {
  // Never a dependency, so the compiler must not look for it.
  const name = '@tensorflow/tfjs-node-gpu';
  try {
    await import(name);
    return await tf.setBackend('tensorflow');
  } catch {
    return false;
  }
}

/** Beside this module in the product, in its package in a checkout. */
function wasmFolder(): string {
  if (!import.meta.url.endsWith('.ts')) return dirname(fileURLToPath(import.meta.url));
  const { resolve } = createRequire(import.meta.url);
  return join(dirname(resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist');
}
