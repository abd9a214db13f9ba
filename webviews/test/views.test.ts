import { describe, expect, test } from 'vitest';
import { resultSchema } from '@repscope/core/results/schema.ts';
import { selectable } from '../src/shared/selection.ts';
import { describedView, statisticsAt, statisticsTable } from '../src/shared/statistics.ts';
import { cellCap, shownRows } from '../src/shared/table.ts';
import { viewKind } from '../src/views/registry.ts';
import { colorRange, layout } from '../src/views/heatmap.ts';
import { groupWarnings, listed } from '../src/shared/warnings.ts';
import { wideCards } from '../src/shared/card-widths.ts';
import { legendRows } from '../src/views/axes.ts';
import { heatmapOf, layers, results } from './samples.ts';

const views = Object.values(results).flatMap(({ result }) => result.views);

test.each(Object.entries(results))('sample %s is a result by the schema', (_, { result }) => {
  expect(resultSchema.parse(structuredClone(result))).toBeTruthy();
});

describe.each(views.map((view) => [`${view.kind} "${view.title}"`, view] as const))(
  '%s',
  (_, view) => {
    const kind = viewKind(view);

    test('has a table as wide as its rows', () => {
      const { columns, rows } = kind.table(view);
      for (const row of rows) expect(row).toHaveLength(columns.length);
    });

    const { plot } = kind;
    if (!plot) return;

    test('finds every point again where it says the point is', () => {
      for (let row = 0; row < plot.rows(view); row++) {
        for (const column of [0, plot.columns(view, row) - 1]) {
          const { seriesIndex, dataIndex } = plot.locate(view, { row, column });
          expect(plot.cellAt(view, seriesIndex, dataIndex)).toEqual({ row, column });
          expect(plot.point(view, { row, column }).lines.length).toBeGreaterThan(0);
        }
      }
    });

    test('says in words what it shows', () => {
      expect(plot.summary(view)).toMatch(/\.$/);
      expect(plot.summary(view)).not.toMatch(/undefined|null|\[object/);
    });
  },
);

test('the heatmap table holds exactly the numbers of the heatmap', () => {
  const view = heatmapOf(results.gaps.result);
  const { columns, rows } = viewKind(view).table(view);
  expect(columns.slice(1)).toEqual(layers);
  expect(rows.map((row) => row.slice(1))).toEqual(view.z);
});

test('a line with an interval has columns for it', () => {
  const view = results.cka.result.views[1]!;
  expect(viewKind(view).table(view).columns).toEqual([
    'layer',
    'with the layer before',
    'with the layer before low',
    'with the layer before high',
  ]);
});

test('notes tell what a plot leaves out', () => {
  const [heatmap, line] = results.gaps.result.views;
  expect(viewKind(heatmap!).plot!.notes!(heatmap!)).toEqual(['Crossed cells hold no number (8).']);
  expect(viewKind(line!).plot!.notes!(line!)).toEqual([
    'Values at or below 0 (1) cannot be shown on a logarithmic axis; the table has them.',
  ]);
});

test('colours span the stated range, else the data, and never nothing', () => {
  const view = heatmapOf(results.cka.result);
  expect(colorRange(view)).toEqual([0, 1]);
  const own = { ...view, range: undefined, z: [[null, 2, 5]] };
  expect(colorRange(own)).toEqual([2, 5]);
  expect(colorRange({ ...own, z: [[3, 3]] })).toEqual([2.5, 3.5]);
  expect(colorRange({ ...own, z: [[null]] })).toEqual([0, 1]);
});

test.each([300, 480, 1200])('a heatmap stays within a card of %i pixels', (width) => {
  for (const sample of [results.cka, results.large]) {
    const box = layout(heatmapOf(sample.result), width);
    expect(box.left + box.plotWidth).toBeLessThanOrEqual(width);
    expect(box.plotHeight).toBeCloseTo(box.plotWidth, 6);
  }
});

test('a legend breaks into rows', () => {
  const name = 'encoder.layer';
  expect(legendRows([name, name], 400)).toBe(1);
  expect(legendRows([name, name, name, name], 300)).toBe(2);
});

test('a table states a cap once it would pass it', () => {
  const wide = { columns: Array.from({ length: 101 }, String), rows: Array(100).fill([]) as [] };
  expect(shownRows(wide)).toBe(100);
  const long = { columns: ['a', 'b'], rows: Array(cellCap).fill([]) as [] };
  expect(shownRows(long)).toBe(cellCap / 2);
});

test('the statistics of a matrix belong to its heatmap', () => {
  const { result } = results.cka;
  expect(describedView(result)).toBe(result.views[0]);
  expect(statisticsAt(result, [0, 1]).map(([name]) => name)).toEqual([
    '95 % interval',
    'null',
    'p',
  ]);
  const table = statisticsTable(result)!;
  expect(table.kind === 'table' && table.rows).toHaveLength(49);
});

test('scalar statistics make no table', () => {
  expect(statisticsTable(results.scalars.result)).toBeNull();
  expect(statisticsAt(results.scalars.result, [])).toEqual([
    ['95 % interval', '11.31\u00a0…\u00a012.4'],
    ['null', '203.4\u00a0±\u00a04.1'],
    ['p', '0.004975'],
  ]);
});

test('layers can be selected, series that are none cannot', () => {
  expect(selectable(results.spectrum.result)).toEqual(layers);
  expect(selectable(results.scalars.result)).toEqual([]);
});

test('cards fill their rows', () => {
  expect(wideCards(['heatmap', 'line'])).toEqual([false, false]);
  expect(wideCards(['heatmap', 'line', 'table'])).toEqual([false, false, true]);
  expect(wideCards(['line', 'table', 'table'])).toEqual([false, false, true]);
  expect(wideCards(['line'])).toEqual([true]);
  expect(wideCards(['heatmap'])).toEqual([false]);
});

test('warnings that say the same of several layers are one', () => {
  const { inputs } = results.cka.result;
  const text = 'too few samples';
  const warnings = [`${layers[0]}: ${text}`, 'note: of the whole', `${layers[2]}: ${text}`];
  expect(groupWarnings({ inputs, warnings })).toEqual([
    { text, of: [layers[0], layers[2]] },
    { text: 'note: of the whole', of: [] },
  ]);
  expect(listed(['a', 'b', 'c', 'd'])).toBe('a, b, c, d');
  expect(listed(['a', 'b', 'c', 'd', 'e'])).toBe('a, b, c and 2 more');
});

test('a result with a table of its own gets no second one', () => {
  const { result } = results.cka;
  const table = { kind: 'table' as const, title: 'CKA', columns: ['a'], rows: [[1]] };
  expect(statisticsTable({ ...result, views: [...result.views, table] })).toBeNull();
});
