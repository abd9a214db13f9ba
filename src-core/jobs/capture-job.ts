import { resolve } from 'node:path';
import type { Engine } from '../engine/device-engine.ts';
import { UserError } from '../errors.ts';
import { SafetensorsWriter } from '../tensor/safetensors.ts';
import { openInput } from './inputs.ts';
import type { JobHooks } from './job-host.ts';
import type { CaptureJob, JobAnswers } from './messages.ts';

/** Rows copied to the file at a time. */
const blockRows = 4096;

/** Capture a model's layers into one `.safetensors` file, one n × d tensor a layer. */
export async function capture(
  job: CaptureJob,
  engine: Engine,
  hooks: JobHooks,
): Promise<JobAnswers['capture']> {
  const warnings: string[] = [];
  const input = await openInput(job.input, {
    cwd: job.cwd,
    options: job,
    input: 'samples',
    engine,
    warn: (message) => void warnings.push(message),
    step: (fraction, message) => hooks.step(0.9 * fraction, message),
  });
  if (!input.side.layered) {
    throw new UserError('usage', job.input, 'is a matrix already', 'name a model');
  }
  const { layers } = input.side;
  const out = resolve(job.cwd, job.out);
  const writer = await SafetensorsWriter.create(
    out,
    layers.map(({ label, n, d }) => ({ name: label, dtype: 'float32', shape: [n, d] })),
  );
  try {
    for (const [index, layer] of layers.entries()) {
      for (let start = 0; start < layer.n; start += blockRows) {
        const end = Math.min(start + blockRows, layer.n);
        await writer.write(Float32Array.from(await layer.rows(start, end)));
        await hooks.step(
          0.9 + (0.1 * (index + end / layer.n)) / layers.length,
          `Writing ${job.out}`,
        );
      }
    }
    await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return {
    out,
    layers: layers.map(({ label, n, d }) => {
      const value = input.observed?.get(label);
      return { name: label, shape: [n, d], ...(value ? { value } : {}) };
    }),
    warnings,
  };
}
