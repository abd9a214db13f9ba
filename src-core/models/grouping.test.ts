import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { groupLayers, type LayerGroup, type LayerNode } from './grouping.ts';
import type { LayerInfo } from './model.ts';
import { openModel } from './open.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/onnx/', import.meta.url));

const layer = (name: string, kind = 'Add', parameters?: number): LayerInfo => ({
  name,
  kind,
  axes: 'tokens',
  shape: ['batch', 'tokens', 8],
  ...(parameters === undefined ? {} : { parameters }),
  default: false,
});

/** One text a line, indented by depth. */
const show = (nodes: readonly LayerNode[], indent = ''): string[] =>
  nodes.flatMap((node) =>
    'layer' in node
      ? [indent + node.label]
      : [
          `${indent}${node.repeats > 1 ? `${node.repeats} × ` : ''}${node.label}`,
          ...show(node.children, `${indent}  `),
        ],
  );

const block = (at: string) =>
  ['attn.q', 'attn.k', 'attn.v', 'mlp.act', 'out'].map((name) => layer(`${at}.${name}`, name, 10));

test('folds scopes that differ in their number', () => {
  const layers = [
    layer('embeddings'),
    ...Array.from({ length: 12 }, (_, n) => block(`encoder/layer.${n}`)).flat(),
    layer('logits', 'Gemm'),
  ];
  const nodes = groupLayers(layers);
  expect(show(nodes)).toEqual([
    'embeddings',
    'encoder',
    '  12 × layer.{0–11}',
    '    attn',
    '      q',
    '      k',
    '      v',
    '    mlp.act',
    '    out',
    'logits',
  ]);
  const repeated = (nodes[1] as LayerGroup).children[0];
  expect(repeated).toMatchObject({ repeats: 12, count: 60, parameters: 600 });
});

test('folds an 8,000-node graph without scopes to its blocks', () => {
  const kinds = Array.from({ length: 660 }, (_, i) => `Op${(i * i) % 37}`);
  const layers = Array.from({ length: 12 * 660 + 80 }, (_, i) =>
    layer(`val_${i}`, i < 40 || i >= 12 * 660 + 40 ? `Edge${i}` : kinds[(i - 40) % 660]),
  );
  const nodes = groupLayers(layers);
  const groups = nodes.filter((node) => 'repeats' in node);
  expect(groups).toMatchObject([{ label: 'block (val_40 … val_7959)', repeats: 12, count: 7920 }]);
  expect(nodes).toHaveLength(81);
});

test('keeps blocks of different make apart', () => {
  const layers = [
    ...Array.from({ length: 4 }, (_, n) => block(`layers.${n}`)).flat(),
    ...Array.from({ length: 4 }, (_, n) => [
      ...block(`layers.${n + 4}`),
      layer(`layers.${n + 4}.experts`, 'MoE'),
    ]).flat(),
  ];
  expect(show(groupLayers(layers)).filter((line) => !line.startsWith(' '))).toEqual([
    '4 × layers.{0–3}',
    '4 × layers.{4–7}',
  ]);
});

test('leaves few layers as they are', () => {
  const names = ['conv1', 'conv1_relu', 'conv2', 'conv2_relu', 'logits'];
  expect(show(groupLayers(names.map((name) => layer(name))))).toEqual(names);
});

test('folds the blocks of exported models, the last of which ends in an output', async () => {
  const { outline } = await openModel(`${fixtures}bert-torch.onnx`);
  expect(show(groupLayers(outline.layers)).filter((line) => line.includes('×'))).toEqual([
    '    2 × layer.{0–1}',
  ]);
});

test('takes names of any form', () => {
  const names = ['', '/', '...', `a${'.b'.repeat(20_000)}`, '1.2.3', 'a//b'];
  expect(groupLayers(names.map((name) => layer(name)))).toHaveLength(names.length);
});
