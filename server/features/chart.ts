import { shortNumber } from '@repscope/core/results/format.ts';
import type { Real, Result, View } from '@repscope/core/results/schema.ts';

/** A layer profile that fits a hover. */
export interface Profile {
  title: string;
  labels: string[];
  values: Real[];
}

/** The first line of a result: a line view's first series, or a heatmap's neighbouring layers. */
export function profileOf({ views }: Result): Profile | undefined {
  for (const view of views) {
    const profile = view.kind === 'line' ? lineProfile(view) : neighbours(view);
    if (profile && profile.values.filter((value) => value !== null).length > 1) return profile;
  }
  return undefined;
}

function lineProfile(view: Extract<View, { kind: 'line' }>): Profile | undefined {
  const [series] = view.series;
  return series && { title: view.title, labels: view.x.values.map(String), values: series.values };
}

/** Values just right of a square heatmap's diagonal: each layer with the next. */
function neighbours(view: View): Profile | undefined {
  if (view.kind !== 'heatmap' || view.z.length < 3 || view.z.length !== view.z[0]?.length) {
    return undefined;
  }
  return {
    title: `${view.title}: each layer with the next`,
    labels: view.y.values.slice(0, -1).map(String),
    values: view.z.slice(0, -1).map((row, index) => row[index + 1] ?? null),
  };
}

// Middle tones, which stand out from light and dark backgrounds alike.
const ink = '#2f86d6';
const grey = '#7a7f87';

const width = 320;
const height = 96;
const plot = { left: 44, right: width - 8, top: 10, bottom: height - 20 };

/** A small line chart as a standalone SVG picture. Gaps stand where there is no value. */
export function chart({ title, labels, values }: Profile): string {
  const known = values.filter((value) => value !== null);
  const low = Math.min(...known);
  const high = Math.max(...known);
  const span = high - low || 1;
  const at = (value: number, index: number): string => {
    const x = plot.left + ((plot.right - plot.left) * index) / Math.max(values.length - 1, 1);
    const y = plot.bottom - ((plot.bottom - plot.top) * (value - low)) / span;
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  };
  let line = '';
  let pen = 'M';
  const dots: string[] = [];
  values.forEach((value, index) => {
    if (value === null) {
      pen = 'M';
      return;
    }
    const point = at(value, index);
    line += `${pen}${point}`;
    pen = 'L';
    const [x, y] = point.split(' ');
    if (values.length <= 40) dots.push(`<circle cx="${x}" cy="${y}" r="2.5"/>`);
  });
  const text = (x: number, y: number, anchor: string, content: string): string =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}">${escape(content)}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<path d="M${plot.left} ${plot.top}V${plot.bottom}H${plot.right}" fill="none" stroke="${grey}"/>`,
    `<path d="${line}" fill="none" stroke="${ink}" stroke-width="2" stroke-linejoin="round"/>`,
    `<g fill="${ink}">${dots.join('')}</g>`,
    `<g fill="${grey}" font-family="sans-serif" font-size="10">`,
    text(plot.left - 4, plot.top + 4, 'end', shortNumber(high)),
    ...(high === low ? [] : [text(plot.left - 4, plot.bottom + 2, 'end', shortNumber(low))]),
    text(plot.left, height - 6, 'start', shorten(labels[0] ?? '')),
    text(plot.right, height - 6, 'end', shorten(labels.at(-1) ?? '')),
    '</g></svg>',
  ].join('');
}

function shorten(label: string): string {
  return label.length <= 22 ? label : `…${label.slice(-21)}`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A picture for Markdown. */
export function dataUri(svg: string): string {
  return `data:image/svg+xml;base64,${Buffer.from(svg, 'utf8').toString('base64')}`;
}
