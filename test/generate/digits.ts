// Trains the digit classifiers of examples/digits/models and writes the values that the tests expect.
//
//   node test/generate/digits.ts            writes them into the checkout (a minute or two)
//   node test/generate/digits.ts --check    trains anew in a temporary folder and compares
//
// Everything is seeded and computed in JavaScript, so a second run gives the same bytes. Another
// JavaScript engine or processor may round an exponential differently; --check therefore accepts
// models whose bytes differ where no class probability of 200 held-out digits differs by over 0.001.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { drawDigits, type Digits } from '@repscope/core/probes/digits.ts';
import { toInt8Onnx, toOnnx } from './export-onnx.ts';
import { accuracy, cnn, initialise, layerValues, mlp, train, type Network } from './network.ts';
import { outputsOf, shareRight } from './run-onnx.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const size = { height: 28, width: 28 };
const heldOut = { count: 1000, seed: 2, ...size };
const training = drawDigits({ count: 2000, seed: 1, ...size });

interface Recipe {
  layers: typeof mlp;
  seed: number;
  epochs: number;
  digits: number;
  learningRate: number;
  steps?: number;
}

const thorough = { epochs: 4, digits: 2000, learningRate: 0.002 };
const recipes: Record<string, Recipe> = {
  'mlp-seed0': { layers: mlp, seed: 0, ...thorough },
  'mlp-seed1': { layers: mlp, seed: 1, ...thorough },
  // The start of mlp-seed0's own training.
  'mlp-barely-trained': { layers: mlp, seed: 0, ...thorough, steps: 4 },
  'cnn-seed0': { layers: cnn, seed: 0, epochs: 4, digits: 1500, learningRate: 0.004 },
  'cnn-seed1': { layers: cnn, seed: 1, epochs: 4, digits: 1500, learningRate: 0.004 },
};
/** Models whose layer values the tests compare, and for how many held-out digits. */
const referenced: Record<string, number> = { 'mlp-seed0': 8, 'cnn-seed0': 2 };

const first = (digits: Digits, count: number): Digits => ({
  images: digits.images.subarray(0, count * size.height * size.width),
  labels: digits.labels.subarray(0, count),
});

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function generate(modelFolder: string, referenceFolder: string): Promise<void> {
  await mkdir(modelFolder, { recursive: true });
  await mkdir(referenceFolder, { recursive: true });
  const test = drawDigits(heldOut);
  const accuracies: Record<string, number> = {};
  const layers: Record<string, unknown> = {};
  const networks = new Map<string, Network>();
  for (const [name, { layers: definition, seed, digits, ...schedule }] of Object.entries(recipes)) {
    const network = initialise(definition, seed);
    train(network, first(training, digits), { ...schedule, batch: 32 });
    networks.set(name, network);
    accuracies[name] = accuracy(network, test);
    await writeFile(join(modelFolder, `${name}.onnx`), toOnnx(name, network));
    say(`${name}: ${(100 * accuracies[name]).toFixed(1)} % of held-out digits right`);
    const count = referenced[name];
    if (count !== undefined) {
      const values = layerValues(network, test, 0, count);
      layers[name] = Object.fromEntries(
        [...values].map(([layer, { shape, data }]) => [
          layer,
          { shape, data: Array.from(data, (value) => Number(value.toFixed(7))) },
        ]),
      );
    }
  }

  const twin = 'mlp-seed0-int8';
  const float = networks.get('mlp-seed0')!;
  const largest = new Map([['image', 1]]);
  for (const [layer, { data }] of layerValues(float, training, 0, 500)) {
    largest.set(
      layer,
      data.reduce((top, value) => Math.max(top, value), 0),
    );
  }
  const int8 = toInt8Onnx(twin, float, largest);
  await writeFile(join(modelFolder, `${twin}.onnx`), int8);
  accuracies[twin] = shareRight(await outputsOf(int8, test), test);
  say(`${twin}: ${(100 * accuracies[twin]).toFixed(1)} % of held-out digits right`);

  const reference = { heldOut, accuracies, layers };
  await writeFile(join(referenceFolder, 'reference.json'), `${JSON.stringify(reference)}\n`);
  // What the demo shows for a file that was not copied whole.
  const whole = await readFile(join(modelFolder, 'mlp-seed0.onnx'));
  await writeFile(join(modelFolder, 'truncated.onnx'), whole.subarray(0, 1000));
}

async function check(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'repscope-digits-'));
  let same = true;
  try {
    await generate(folder, folder);
    const digits = drawDigits({ ...heldOut, count: 200 });
    for (const name of [...Object.keys(recipes), 'mlp-seed0-int8']) {
      const fresh = await readFile(join(folder, `${name}.onnx`));
      const committed = await readFile(join(models, `${name}.onnx`));
      if (fresh.equals(committed)) {
        say(`${name}: same bytes`);
        continue;
      }
      const expected = await outputsOf(committed, digits);
      const found = await outputsOf(fresh, digits);
      const worst = found.reduce((top, p, i) => Math.max(top, Math.abs(p - expected[i]!)), 0);
      say(`${name}: bytes differ, probabilities differ by at most ${worst}`);
      same &&= worst <= 0.001;
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  return same;
}

tf.enableProdMode();
await tf.setBackend('cpu');
const models = join(root, 'examples/digits/models');
if (process.argv.includes('--check')) process.exitCode = (await check()) ? 0 : 1;
else await generate(models, join(root, 'test/fixtures/digits'));
