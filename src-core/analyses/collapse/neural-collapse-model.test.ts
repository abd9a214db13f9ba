import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openModel } from '../../models/open.ts';
import { GraphBuilder, type Value } from '../../onnx/graph-builder.ts';
import type { Side } from '../definition.ts';
import { context, gaussianRows, layer, model, type Rows } from '../test-support.ts';
import { neuralCollapse } from './neural-collapse.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'collapse-'));
});
afterAll(() => rm(folder, { recursive: true }));

const [classes, units] = [3, 5];
const features = gaussianRows(40, units, 1).map((row, i) =>
  row.map((value, j) => value + (j === i % classes ? 3 : 0)),
);
const labels = features.map((_, i) => String(i % classes));
const W = gaussianRows(classes, units, 2);
const b = [0.5, -1, 2];
const flat = (rows: Rows) => Float32Array.from(rows.flat());
const turned = W[0]!.map((_, j) => W.map((row) => row[j]!));

async function run(side: Side, params: Record<string, unknown> = {}) {
  const warnings: string[] = [];
  const files: Record<string, Rows> = { W, b: b.map((value) => [value]) };
  const outcome = await neuralCollapse.run(
    [side],
    neuralCollapse.params.parse(params),
    await context({
      warn: (message) => void warnings.push(message),
      open: (spec) => Promise.resolve(layer(spec, files[spec]!, Float32Array)),
    }),
  );
  return { ...outcome, warnings };
}

/** A network whose value `hidden` is the features, and what its head makes of it. */
async function network(name: string, head: (graph: GraphBuilder, x: Value) => Value) {
  const graph = new GraphBuilder('net');
  const x = graph.input('x', 'float32', ['n', units]);
  const hidden = graph.op('Relu', [x], {}, 'hidden');
  graph.output(head(graph, hidden), 'float32', ['n', classes]);
  const path = join(folder, `${name}.onnx`);
  await writeFile(path, graph.finish());
  return openModel(path);
}

const heads: Record<string, (graph: GraphBuilder, x: Value) => Value> = {
  'Gemm, upright': (graph, x) =>
    graph.op(
      'Gemm',
      [x, graph.constant(flat(W), [classes, units]), graph.constant(Float32Array.from(b))],
      { transB: 1 },
    ),
  'Gemm and Softmax': (graph, x) =>
    graph.op('Softmax', [
      graph.op('Gemm', [
        x,
        graph.constant(flat(turned), [units, classes]),
        graph.constant(Float32Array.from(b)),
      ]),
    ]),
  'Flatten, MatMul and Add': (graph, x) =>
    graph.op('Add', [
      graph.op('MatMul', [
        graph.op('Flatten', [x]),
        graph.constant(flat(turned), [units, classes]),
      ]),
      graph.constant(Float32Array.from(b)),
    ]),
};

const side = async (head: (graph: GraphBuilder, x: Value) => Value, name: string) => ({
  ...model('net', { first: features, hidden: features }),
  labels,
  model: await network(name, head),
});

test.each(Object.entries(heads))('the classifier of a model is found: %s', async (name, head) => {
  const { values, warnings } = await run(await side(head, name.replaceAll(/\W/g, '')));
  const given = await run(
    { ...model('net', { first: features, hidden: features }), labels },
    { W: 'W', b: 'b' },
  );
  for (const key of ['nc3', 'nc4', 'unc3', 'nc2.angleW']) {
    const [first, second] = values[key] as (number | null)[];
    expect(first, key).toBeNull();
    expect(second, key).toBeCloseTo((given.values[key] as number[])[1]!, 9);
  }
  expect(warnings.join()).toMatch(/are those of hidden, which the model’s classifier reads/);
});

test('a head that is not linear, or of other classes, leaves them null', async () => {
  const tanh = await run(await side((graph, x) => graph.op('Tanh', [x]), 'tanh'));
  expect(tanh.values['nc3']).toEqual([null, null]);
  expect(tanh.warnings.join()).toMatch(/they need the classifier/);
  const more = await side((graph, x) => {
    const wide = gaussianRows(7, units, 3);
    return graph.op('Gemm', [x, graph.constant(flat(wide), [7, units])], { transB: 1 });
  }, 'more');
  // Labels that are row numbers pick their rows.
  expect((await run(more)).values['nc3']).toEqual([null, expect.any(Number)]);
  const named = await run({ ...more, labels: labels.map((label) => `class ${label}`) });
  expect(named.values['nc3']).toEqual([null, null]);
  expect(named.warnings.join()).toMatch(/has 7 classes, and the labels 3/);
});
