import { expect, test } from 'vitest';
import { layerCells, queryLayers, type LayerQuery } from '../src/shared/layers.ts';
import { spark } from '../src/shared/spark.ts';
import { outline, results } from './samples.ts';

const all: LayerQuery = { filter: '', kind: '', sort: 'order', descending: false };
const names = (query: Partial<LayerQuery>): string[] =>
  queryLayers(outline.layers, { ...all, ...query }).map(({ name }) => name);

test('without a query the layers keep the order of the model', () => {
  expect(names({})).toEqual(outline.layers.map(({ name }) => name));
});

test('the filter looks at names and kinds', () => {
  expect(names({ filter: 'ATTENTION prob' })).toHaveLength(6);
  expect(names({ filter: 'layer.3.' })).toHaveLength(3);
  expect(names({ kind: 'hidden state' })).toHaveLength(7);
  expect(names({ filter: 'nothing of the kind' })).toEqual([]);
});

test('names sort by number, sizes by value, both ways', () => {
  const layers = ['l.10', 'l.9', 'l.1'].map((name, at) => ({
    ...outline.layers[0]!,
    name,
    parameters: at,
  }));
  const sorted = (query: Partial<LayerQuery>) =>
    queryLayers(layers, { ...all, ...query }).map(({ name }) => name);
  expect(sorted({ sort: 'name' })).toEqual(['l.1', 'l.9', 'l.10']);
  expect(sorted({ sort: 'parameters', descending: true })).toEqual(['l.1', 'l.9', 'l.10']);
  expect(sorted({ sort: 'parameters' })).toEqual(['l.10', 'l.9', 'l.1']);
});

test('cells write what is known and leave out what is not', () => {
  expect(layerCells(outline.layers[0]!)).toEqual([
    'embeddings',
    'hidden state',
    'batch × tokens × 384',
    '',
  ]);
});

test('a small chart is told in words', () => {
  expect(spark(results.cka.result)!.label).toBe('Similarity of layers: 7 by 7, from 0 to 1');
  expect(spark(results.cka.result)!.elements).toHaveLength(49);
  expect(spark(results.numbers.result)).toBeNull();
  const { label, elements } = spark(results.spectrum.result)!;
  expect(label).toMatch(/^Effective dimensions by depth: 48 at embeddings, /);
  expect(elements).toHaveLength(2);
});
