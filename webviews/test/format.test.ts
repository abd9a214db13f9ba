import { expect, test } from 'vitest';
import {
  fitLabels,
  formatDuration,
  formatNumber,
  shorten,
  shortenLabels,
  thinning,
  toCsv,
} from '../src/shared/format.ts';

test.each([
  [0.123456, '0.1235'],
  [-0.5, '-0.5'],
  [0, '0'],
  [12, '12'],
  [12345, '12,345'],
  [0.00001234, '1.234e-5'],
  [0.00001, '1e-5'],
  [1234567.5, '1.235e+6'],
  [null, 'NaN'],
])('formatNumber(%s) is %s', (value, text) => {
  expect(formatNumber(value)).toBe(text);
});

test('a duration never reads 60 s', () => {
  expect(formatDuration(312.4)).toBe('312 ms');
  expect(formatDuration(1840)).toBe('1.8 s');
  expect(formatDuration(59_960)).toBe('1 min 0 s');
  expect(formatDuration(125_000)).toBe('2 min 5 s');
});

test('a long label loses its middle', () => {
  expect(shorten('abcdefghij', 7)).toBe('abc…hij');
  expect(shorten('abcdefg', 7)).toBe('abcdefg');
});

test('layer names keep the number that tells them apart', () => {
  const names = ['embeddings', 'encoder.layer.0.output', 'encoder.layer.11.output'];
  expect([...shortenLabels(names, 16).values()]).toEqual([
    'embeddings',
    '…layer.0.output',
    '…layer.11.output',
  ]);
  expect([...shortenLabels(names, 8).values()]).toEqual(['embe…ngs', '…0…', '…11…']);
});

test('names of one pattern shrink to their number alone', () => {
  const names = Array.from({ length: 12 }, (_, at) => `model.layers.${at}.resid_post`);
  expect([...shortenLabels(names, 8).values()]).toEqual(names.map((_, at) => String(at)));
});

test('names that would be cut to the same get more room', () => {
  const names = ['encoder.0.out', 'encoder.1.out', 'decoder.0.out', 'decoder.1.out'];
  const short = [...shortenLabels(names, 8).values()];
  expect(short).toEqual(names);
});

test.each([
  [7, 500, 20, 1],
  [100, 400, 15, 5],
  [100, 400, 17, 5],
  [100, 150, 17, 20],
  [1000, 300, 15, 50],
])('of %i labels over %i pixels, %i apart, every %ith is shown', (count, pixels, spacing, step) => {
  expect(thinning(count, pixels, spacing)).toBe(step);
  expect((pixels / count) * step).toBeGreaterThanOrEqual(spacing);
});

test('labels lie flat where they fit, else slanted, else upright', () => {
  const labels = Array.from({ length: 8 }, () => 'layer.0.output');
  expect(fitLabels(labels, 900).rotate).toBe(0);
  expect(fitLabels(labels, 300).rotate).toBe(45);
  expect(fitLabels(labels, 100).rotate).toBe(90);
});

test('CSV quotes what needs it and keeps all digits', () => {
  const table = {
    columns: ['layer, side', 'value'],
    rows: [
      ['say "a"', 0.1 + 0.2],
      ['b', null],
    ],
  };
  expect(toCsv(table)).toBe('"layer, side",value\r\n"say ""a""",0.30000000000000004\r\nb,NaN\r\n');
});
