// A TensorFlow.js model and its ONNX twin through the command line, each on its own runtime.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/folders.ts';
import type { Result } from '@repscope/core/results/schema.ts';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const run = promisify(execFile);

const source = path('src-core/cli/main.ts');
/** What `npm test` has built before. */
const bundle = path('dist/cli.mjs');

async function repscope(main: string, ...args: string[]): Promise<string> {
  const cwd = temporaryFolder();
  const env = { ...process.env, REPSCOPE_STORAGE: cwd };
  return (await run(process.execPath, [main, ...args], { cwd, env })).stdout;
}

test.each([
  ['sources', source],
  ['bundle', bundle],
])('a model and its ONNX twin agree, run from the %s', async (_, main) => {
  const answer = await repscope(
    main,
    'compare',
    path('test/fixtures/tfjs/layers/model.json'),
    path('examples/digits/models/cnn-seed0.onnx'),
    ...['--layers', 'dense1*,logits,probabilities', '--device', 'cpu', '--json'],
  );
  const { device, n, values } = JSON.parse(answer) as Result;
  expect([device, n]).toEqual(['cpu (tfjs wasm)', 500]);
  const { cka, cosine } = values as { cka: number[][]; cosine: Record<string, number> };
  cka.forEach((row, i) => expect(row[i]).toBeCloseTo(1, 6));
  const cosines = Object.values(cosine);
  expect(cosines).toHaveLength(4);
  for (const value of cosines) expect(value).toBeCloseTo(1, 6);
});

test('inspect says what the model is', async () => {
  const text = await repscope(source, 'inspect', path('test/fixtures/tfjs/quantised'));
  expect(text).toMatch(/^inputs +conv1_input float32 \[\? × 28 × 28 × 1\]$/m);
  expect(text).toMatch(/^dense1 +Dense +\? × 32 +25\.1K +yes$/m);
});
