import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

let chosen: Promise<string> | undefined;

/**
 * Starts the best backend that this machine has: TensorFlow itself where `@tensorflow/tfjs-node-gpu`
 * is installed and its library loads, else WebAssembly, else JavaScript.
 * @returns how results name it: `tfjs tensorflow gpu`, `tfjs tensorflow`, `tfjs wasm` or `tfjs cpu`
 */
export function startBackend(): Promise<string> {
  chosen ??= start();
  return chosen;
}

async function start(): Promise<string> {
  tf.enableProdMode();
  if (await loadTensorFlow()) {
    const backend = tf.backend() as tf.KernelBackend & { isUsingGpuDevice?: boolean };
    return backend.isUsingGpuDevice === true ? 'tfjs tensorflow gpu' : 'tfjs tensorflow';
  }
  setWasmPaths(`${wasmFolder()}/`);
  if (await tf.setBackend('wasm').catch(() => false)) return 'tfjs wasm';
  // Importing the package registers it, unless a bundler takes that import for useless.
  const registered = tf.findBackendFactory('cpu') as object | null;
  if (registered === null) {
    tf.registerBackend('cpu', () => new MathBackendCPU());
  }
  await tf.setBackend('cpu');
  return 'tfjs cpu';
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
