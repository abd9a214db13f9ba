// How numbers, sizes and shapes are written, alike in terminal, hovers, trees and pages.
import type { Real } from './schema.ts';

/** Three significant digits, no exponent where none is needed; `n/a` for null. */
export function shortNumber(value: Real): string {
  if (value === null) return 'n/a';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(1);
  return String(Number(value.toPrecision(size >= 100 ? Math.ceil(Math.log10(size + 1)) : 3)));
}

/** `22713216` → `22.7M`; three significant digits at most. */
export const formatCount = (count: number): string => scaled(count, 1000, ['', 'K', 'M', 'B', 'T']);

/** Bytes in powers of 1024: `90888945` → `86.7 MiB`. */
export const formatBytes = (bytes: number): string =>
  scaled(bytes, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB']);

function scaled(value: number, base: number, units: readonly string[]): string {
  let unit = 0;
  // What would round to four digits takes the next unit.
  while (value >= base - 0.5 && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  return `${unit === 0 ? value : Number(value.toPrecision(3))}${units[unit]!}`;
}

/** `[1, 'tokens', null]` → `1 × tokens × ?`; empty where nothing is known. */
export const formatShape = (shape: readonly (number | string | null)[] | undefined): string =>
  shape === undefined ? '' : shape.map((size) => size ?? '?').join(' × ');

/** The last part of a path with either separator. */
export const baseName = (path: string): string =>
  path.split(/[\\/]/).findLast((part) => part !== '') ?? path;

/** A field of a CSV file (RFC 4180): quoted where it holds a comma, a quote or a line break. */
export const csvField = (text: string): string =>
  /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
