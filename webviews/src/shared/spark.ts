import type { Result } from '@repscope/core/results/schema.ts';
import { exact, extent, formatNumber } from './format.ts';
import { rampColor, viridis } from './theme.ts';

type Element = { tag: string; attributes: Record<string, string | number> };

export interface Spark {
  width: number;
  height: number;
  /** What the picture shows, in words. */
  label: string;
  elements: Element[];
}

const width = 240;
const height = 64;
const margin = 4;

/** A picture in miniature of the first view that has one; null for results of tables and numbers. */
export function spark(result: Result): Spark | null {
  for (const view of result.views) {
    if (view.kind === 'heatmap') return heat(view.title, view.z, view.range);
    if (view.kind === 'line') {
      const series = view.series[0];
      if (series) return curve(view.title, series.values, view.y.log, view.x.values.map(exact));
    }
  }
  return null;
}

function heat(
  title: string,
  z: (number | null)[][],
  range: [number, number] | undefined,
): Spark | null {
  const span = range ?? extent(z.flat());
  if (!span) return null;
  const [low, high] = span;
  const columns = z[0]?.length ?? 0;
  const side = height / Math.max(z.length, 1);
  const wide = Math.min(side, width / Math.max(columns, 1));
  return {
    width: wide * columns,
    height,
    label: `${title}: ${z.length} by ${columns}, from ${formatNumber(low)} to ${formatNumber(high)}`,
    elements: z.flatMap((line, row) =>
      line.flatMap((value, column) =>
        value === null
          ? []
          : [
              {
                tag: 'rect',
                attributes: {
                  x: column * wide,
                  y: row * side,
                  width: wide + 0.05,
                  height: side + 0.05,
                  fill: rampColor(viridis, high === low ? 0.5 : (value - low) / (high - low)),
                },
              },
            ],
      ),
    ),
  };
}

function curve(
  title: string,
  values: (number | null)[],
  log: boolean | undefined,
  labels: string[],
): Spark | null {
  const scaled = values.map((value) =>
    value === null || (log && value <= 0) ? null : log ? Math.log10(value) : value,
  );
  const span = extent(scaled);
  if (!span) return null;
  const [low, high] = span;
  const x = (at: number) => margin + (at / Math.max(1, values.length - 1)) * (width - 2 * margin);
  const y = (value: number) =>
    high === low
      ? height / 2
      : height - margin - ((value - low) / (high - low)) * (height - 2 * margin);
  let path = '';
  let pen = 'M';
  scaled.forEach((value, at) => {
    if (value === null) {
      pen = 'M';
      return;
    }
    path += `${pen}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = 'L';
  });
  const first = values.find((value) => value !== null) ?? null;
  const last = values.findLast((value) => value !== null) ?? null;
  return {
    width,
    height,
    label: `${title}: ${formatNumber(first)} at ${labels[0] ?? ''}, ${formatNumber(last)} at ${labels.at(-1) ?? ''}`,
    elements: [
      {
        tag: 'path',
        attributes: { d: `M0 ${height - 0.5}H${width}`, class: 'base' },
      },
      {
        tag: 'path',
        attributes: { d: path, class: 'curve' },
      },
    ],
  };
}

/** The picture as an element, built node by node. */
export function sparkElement(picture: Spark): SVGSVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('class', 'spark');
  svg.setAttribute('viewBox', `0 0 ${picture.width} ${picture.height}`);
  svg.setAttribute('preserveAspectRatio', 'xMinYMid meet');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', picture.label);
  for (const { tag, attributes } of picture.elements) {
    const child = document.createElementNS(namespace, tag);
    for (const [name, value] of Object.entries(attributes)) child.setAttribute(name, String(value));
    svg.append(child);
  }
  return svg;
}
