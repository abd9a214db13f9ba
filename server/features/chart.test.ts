import type { Result, View } from '@repscope/core/results/schema.ts';
import { describe, expect, test } from 'vitest';
import { chart, dataUri, profileOf } from './chart.ts';

const withViews = (...views: View[]) => ({ views }) as Result;

const heatmap = (z: (number | null)[][]): View => ({
  kind: 'heatmap',
  title: 'CKA',
  x: { name: 'layer', values: z[0]!.map((_, index) => `l${index}`) },
  y: { name: 'layer', values: z.map((_, index) => `l${index}`) },
  z,
  unit: '',
});

const line = (values: (number | null)[]): View => ({
  kind: 'line',
  title: 'Dimension',
  x: { name: 'layer', values: values.map((_, index) => `l${index}`) },
  y: { name: 'dimension' },
  series: [{ name: 'a', values }],
});

describe('profiles', () => {
  test('a heatmap gives each layer with the next', () => {
    const square = heatmap([
      [1, 0.9, 0.1],
      [0.9, 1, 0.5],
      [0.1, 0.5, 1],
    ]);
    expect(profileOf(withViews(square))).toEqual({
      title: 'CKA: each layer with the next',
      labels: ['l0', 'l1'],
      values: [0.9, 0.5],
    });
  });

  test('the first view that holds a profile is taken', () => {
    const table: View = { kind: 'table', title: 't', columns: [], rows: [] };
    const wide = heatmap([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const found = profileOf(withViews(table, wide, line([null, null]), line([3, null, 5])));
    expect(found?.values).toEqual([3, null, 5]);
  });

  test('one value is no profile', () => {
    expect(profileOf(withViews(line([1]), heatmap([[1]])))).toBeUndefined();
  });
});

describe('chart', () => {
  test('small numbers fit beside the axis', () => {
    const svg = chart({ title: 't', labels: ['1', '2'], values: [15.3, 0.0000182] });
    expect(svg).toContain('>1.8e-5<');
    expect(svg).toContain('>15.3<');
  });

  const path = (values: (number | null)[]) =>
    /<path d="(M[^"]*)" fill="none" stroke="#2f86d6"/.exec(
      chart({ title: 't', labels: values.map(String), values }),
    )?.[1];

  test('spans the plot from the lowest to the highest value', () => {
    // 44…312 across, 76 (low) up to 10 (high).
    expect(path([0, 1])).toBe('M44.0 76.0L312.0 10.0');
    expect(path([2, 1, 1.5])).toBe('M44.0 10.0L178.0 76.0L312.0 43.0');
  });

  test('leaves a gap where there is no value', () => {
    expect(path([0, null, 1])).toBe('M44.0 76.0M312.0 10.0');
  });

  test('draws equal values as a level line', () => {
    expect(path([3, 3])).toBe('M44.0 76.0L312.0 76.0');
  });

  test('titles cannot leave their element', () => {
    const svg = chart({ title: '</title><script>', labels: ['"a"', '<b>'], values: [1, 2] });
    expect(svg).not.toMatch(/<script|<b>/);
    expect(Buffer.from(dataUri(svg).split(',')[1]!, 'base64').toString()).toBe(svg);
  });
});
