import { shortNumber } from '../results/format.ts';
import type { Real, Result, View } from '../results/schema.ts';
import { table } from './table.ts';

/** Longer tables are cut; the whole is in --json. */
const mostRows = 40;
const mostColumns = 24;

/** A result as text for a terminal. */
export function showResult(result: Result): string {
  const { analysis, n, d, estimator, device, elapsedMs, probe } = result;
  const units = Array.isArray(d) ? [...new Set(d)].join('/') : String(d);
  const lines = [
    `${analysis}  ${estimator}  n=${n} d=${units}  ${device}  ${(elapsedMs / 1000).toFixed(2)} s`,
    ...(probe ? [`probe: ${probe.description}; pooled: ${probe.pool}`] : []),
    ...result.warnings.map((warning) => `warning: ${warning}`),
  ];
  const scalars = Object.entries(result.values).filter(
    (entry): entry is [string, Real] => entry[1] === null || typeof entry[1] === 'number',
  );
  if (scalars.length > 0) {
    lines.push('', ...scalars.map(([key, value]) => `${key.padEnd(20)} ${shortNumber(value)}`));
  }
  if (typeof result.null?.mean === 'number') {
    const { mean, sd, p, permutations } = result.null;
    lines.push(
      `null                 ${shortNumber(mean)} ± ${shortNumber(sd as Real)}, p = ${shortNumber(p as Real)} (${permutations} permutations)`,
    );
  }
  if (result.interval && typeof result.interval.low === 'number') {
    const { low, high, level, bootstrap } = result.interval;
    lines.push(
      `interval             ${shortNumber(low)} – ${shortNumber(high as Real)} (${100 * level} %, ${bootstrap} resamples)`,
    );
  }
  for (const view of result.views) {
    const body = showView(view);
    if (body !== '') lines.push('', view.title, body);
  }
  return lines.join('\n');
}

function showView(view: View): string {
  switch (view.kind) {
    case 'heatmap':
      // No terminal is that wide.
      if (view.x.values.length > mostColumns || view.y.values.length > mostRows) return '';
      return table(
        ['', ...view.x.values.map((_, column) => String(column))],
        view.z.map((row, index) => [
          `${index} ${String(view.y.values[index])}`,
          ...row.map((value) => (value === null ? 'n/a' : value.toFixed(3))),
        ]),
      );
    case 'line':
    case 'bars': {
      // Curves with many points read better as a plot: see --html.
      if (view.x.values.length > mostRows) return '';
      return table(
        [view.x.name, ...view.series.map((series) => series.name)],
        view.x.values.map((label, index) => [
          String(label),
          ...view.series.map((series) => shortNumber(series.values[index] ?? null)),
        ]),
      );
    }
    case 'table': {
      const shown = view.rows.slice(0, mostRows).map((row) => row.map(cell));
      const rest = view.rows.length - shown.length;
      return table(view.columns, shown) + (rest > 0 ? `\n… ${rest} more rows in --json` : '');
    }
    case 'barcode':
      return table(
        ['', 'intervals', 'longest'],
        view.series.map(({ name, intervals }) => {
          const lengths = intervals.map(([birth, death]) => (death ?? Infinity) - birth);
          const longest = Math.max(...lengths.filter(Number.isFinite));
          return [
            name,
            String(intervals.length),
            shortNumber(Number.isFinite(longest) ? longest : null),
          ];
        }),
      );
    case 'scatter':
    case 'histogram':
    case 'graph':
      return '';
  }
}

const cell = (value: string | Real) => (typeof value === 'string' ? value : shortNumber(value));
