// Runs every case on the processor and on WebGPU and prints how far they are apart, as one line of
// JSON. A process of its own: which Vulkan driver there is must be known before the runtime loads,
// and a driver that fails takes its process with it.
import { createEngine } from '../../../src-core/engine/device-engine.ts';
import { cases } from './cases.ts';

export interface Comparison {
  /** The adapter's answer where it cannot be used. */
  unavailable?: string;
  /** Largest difference relative to the largest value, by kernel and part of its answer. */
  differences?: Record<string, Record<string, number>>;
}

const print = (comparison: Comparison) =>
  process.stdout.write(`\nCOMPARISON ${JSON.stringify(comparison)}\n`);

function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let largest = Number.MIN_VALUE;
  let worst = 0;
  for (let at = 0; at < expected.length; at++) {
    largest = Math.max(largest, Math.abs(expected[at]!));
    const gap = Math.abs(actual[at]! - expected[at]!);
    worst = Number.isNaN(gap) ? Infinity : Math.max(worst, gap);
  }
  return worst / largest;
}

async function compare(): Promise<Comparison> {
  const processor = await createEngine('cpu');
  const device = await createEngine('webgpu').catch((error: unknown) => String(error));
  if (typeof device === 'string') return { unavailable: device };
  const differences: Record<string, Record<string, number>> = {};
  for (const [kernel, run] of Object.entries(cases)) {
    const [expected, actual] = [await run(processor), await run(device)];
    differences[kernel] = Object.fromEntries(
      Object.keys(expected).map((part) => [part, difference(actual[part]!, expected[part]!)]),
    );
  }
  await device.dispose();
  await processor.dispose();
  return { differences };
}

print(await compare());
