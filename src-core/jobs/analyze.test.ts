import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findAnalysis } from '../analyses/registry.ts';
import { createEngine, type Engine } from '../engine/device-engine.ts';
import { analyze } from './analyze.ts';

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await createEngine('cpu');
  folder = await mkdtemp(join(tmpdir(), 'repscope-'));
  const distances = Array.from({ length: 5 }, (_, i) =>
    Array.from({ length: 5 }, (__, j) => (i === j ? 0 : 1)),
  );
  await writeFile(join(folder, 'complete.json'), JSON.stringify(distances));
});
afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true });
});

const run = (id: string, params: Record<string, unknown>) => {
  const hooks = { step: () => Promise.resolve(), signal: new AbortController().signal };
  return analyze(findAnalysis(id), ['complete.json'], { params, cwd: folder }, engine, hooks);
};

describe('one matrix alone', () => {
  it('will do where an analysis has something to say of it', async () => {
    const { values } = await run('ricci', { k: 4, input: 'distances' });
    expect(values['meanCurvature']).toBeCloseTo(0.625, 12);
    expect(values).not.toHaveProperty('similarity');
  });

  it('is refused where all there is compares two', async () => {
    await expect(run('cka', {})).rejects.toThrow(/is one representation, and this analysis/);
  });

  it('keeps infinite deaths as null, without a warning', async () => {
    const { values, warnings } = await run('persistence', { input: 'distances' });
    expect((values['diagrams'] as unknown[][])[0]!.at(-1)).toEqual([0, null]);
    expect(warnings).toEqual([]);
  });
});
