// Every kernel of the engine gives on WebGPU what it gives on the processor.
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { cases } from './webgpu/cases.ts';
import type { Comparison } from './webgpu/compare.ts';
import { candidates, type Candidate } from './webgpu/devices.ts';

const script = fileURLToPath(new URL('webgpu/compare.ts', import.meta.url));
const engine = new URL('../../src-core/engine/', import.meta.url);

async function compareOn({ env, reason }: Candidate): Promise<Comparison> {
  if (env === undefined) return { unavailable: reason ?? 'not there' };
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [script], {
      env: { ...process.env, ...env },
      timeout: 60_000,
    });
    const line = /^COMPARISON (.*)$/m.exec(stdout)?.[1];
    if (line !== undefined) return JSON.parse(line) as Comparison;
    return { unavailable: 'the process printed nothing' };
  } catch (error) {
    const { stderr = '', signal } = error as { stderr?: string; signal?: string };
    return { unavailable: `the process ended (${signal ?? 'failed'}): ${stderr.slice(-300)}` };
  }
}

const reasons: string[] = [];
let compared: { name: string; differences: NonNullable<Comparison['differences']> } | undefined;
for (const candidate of candidates) {
  const found = await candidate();
  const { unavailable, differences } = await compareOn(found);
  if (differences) {
    compared = { name: found.name, differences };
    break;
  }
  reasons.push(`${found.name}: ${unavailable?.split('\n')[0] ?? 'not there'}`);
}

test('every exported kernel has a case', async () => {
  const files = (await readdir(engine)).filter((name) => name.endsWith('-kernels.ts'));
  const exported: string[] = [];
  for (const file of files) {
    const module = (await import(new URL(file, engine).href)) as Record<string, unknown>;
    exported.push(...Object.keys(module));
  }
  expect(exported.length).toBeGreaterThan(0);
  expect(Object.keys(cases).sort()).toEqual(exported.sort());
});

if (compared === undefined) {
  test.skip(`no Vulkan device to compare on: ${reasons.join('; ')}`, () => undefined);
} else {
  const { name, differences } = compared;
  describe(`WebGPU on ${name}`, () => {
    test.each(Object.entries(differences))('%s', (_, parts) => {
      for (const [part, difference] of Object.entries(parts)) {
        expect(difference, part).toBeLessThan(1e-4);
      }
    });
  });
}
