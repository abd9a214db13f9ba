import { csvField } from '@repscope/core/results/format.ts';
import type { Real } from '@repscope/core/results/schema.ts';

/** A number to `digits` significant digits, without trailing zeros; `NaN` where it is null. */
export function formatNumber(value: Real, digits = 4): string {
  if (value === null || Number.isNaN(value)) return 'NaN';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) {
    return value.toExponential(digits - 1).replace(/\.?0+e/, 'e');
  }
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  return String(Number(value.toPrecision(digits)));
}

/** All the digits there are. */
export const exact = (value: Real | string): string => (value === null ? 'NaN' : String(value));

export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 59.95) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** At most `length` characters, the middle given up first, since layer names differ at their ends. */
export function shorten(label: string, length: number): string {
  if (label.length <= length) return label;
  const head = Math.ceil((length - 1) / 2);
  return `${label.slice(0, head)}…${label.slice(label.length - (length - 1 - head))}`;
}

/** Width of a label in pixels; an estimate good enough to leave room for it. */
export const textWidth = (text: string, fontSize = 11): number => text.length * fontSize * 0.56;

/**
 * Short forms of labels that stay apart. Of names that differ in their numbers only, such as
 * `encoder.layer.0.output`, the parts before the number and then those after it go first.
 */
export function shortenLabels(labels: readonly string[], length: number): Map<string, string> {
  const groups = new Map<string, string[]>();
  for (const label of new Set(labels)) {
    const pattern = label.replace(/\d+/g, '#');
    const group = groups.get(pattern);
    if (group) group.push(label);
    else groups.set(pattern, [label]);
  }
  const short = new Map<string, string>();
  for (const group of groups.values()) {
    // Where all labels are of one pattern, nothing needs to say that something was left out.
    const cut = group.length > 1 ? dropShared(group, length, groups.size > 1 ? '…' : '') : group;
    group.forEach((label, at) => short.set(label, shorten(cut[at]!, length)));
  }
  // Names that would be the same are given more room.
  const distinct = new Set(short.values()).size === short.size;
  return distinct ? short : shortenLabels(labels, length + 4);
}

/** Labels of one pattern, all cut at the same places around their first number. */
function dropShared(labels: readonly string[], length: number, omitted: string): string[] {
  const boundary = /[./:]/.test(labels[0]!) ? /(?=[./:])/ : /(?=_)/;
  const parts = labels.map((label) => label.split(boundary));
  const count = parts[0]!.length;
  const firstNumber = parts[0]!.findIndex((part) => /\d/.test(part));
  let from = 0;
  let to = count;
  const texts = (): string[] =>
    parts.map((words) => {
      const kept = words.slice(from, to).join('');
      const start = from > 0 ? omitted + kept.replace(/^[./_:]/, '') : kept;
      return start + (to < count ? omitted : '');
    });
  const tooLong = (): boolean => texts().some((text) => text.length > length);
  while (from < firstNumber && tooLong()) from++;
  while (to > firstNumber + 1 && tooLong()) to--;
  return texts();
}

/** How axis labels fit below `pixels` of axis: flat, slanted or upright, and the room they take. */
export function fitLabels(
  labels: readonly string[],
  pixels: number,
): { rotate: 0 | 45 | 90; room: number } {
  const widest = Math.max(0, ...labels.map((label) => textWidth(label)));
  const step = pixels / Math.max(1, labels.length);
  if (widest + 8 <= step || isNumbers(labels)) return { rotate: 0, room: 20 };
  if (step >= 22) return { rotate: 45, room: Math.ceil(widest * 0.71) + 16 };
  return { rotate: 90, room: Math.ceil(widest) + 12 };
}

/** Every which label to show: 1, 2, 5, 10, 20, …, the least that keeps them `spacing` pixels apart. */
export function thinning(count: number, pixels: number, spacing: number): number {
  const least = (count * spacing) / Math.max(1, pixels);
  for (let power = 1; ; power *= 10) {
    for (const step of [power, 2 * power, 5 * power]) if (step >= least) return step;
  }
}

const isNumbers = (labels: readonly string[]): boolean =>
  labels.every((label) => label !== '' && Number.isFinite(Number(label)));

/** RFC 4180; numbers keep all digits. */
export function toCsv(table: TableData): string {
  const field = (value: Real | string): string => csvField(exact(value));
  return [table.columns, ...table.rows].map((row) => row.map(field).join(',') + '\r\n').join('');
}

export interface TableData {
  columns: string[];
  rows: (Real | string)[][];
}

/** Lowest and highest of the values that are numbers; null where there is none. */
export function extent(values: Iterable<Real>): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

/** `1 layer`, `2 layers`. */
export const plural = (count: number, noun: string): string =>
  `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
