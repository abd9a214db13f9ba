import type { ModelFormat, ModelOutline } from '@repscope/core/models/model.ts';
import type { RunSummary } from '@repscope/core/results/schema.ts';

/** `22713216` → `22.7M`; three significant digits at most. */
export function formatCount(count: number): string {
  return scaled(count, 1000, ['', 'K', 'M', 'B', 'T']);
}

/** `90888945` → `86.7 MiB`. */
export function formatBytes(bytes: number): string {
  return scaled(bytes, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB']);
}

function scaled(value: number, base: number, units: string[]): string {
  let unit = 0;
  // 999.95 and above would round to four digits.
  while (value >= base - 0.05 && unit < units.length - 1) {
    value /= base;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits).replace(/\.0$/, '')}${units[unit] ?? ''}`;
}

/** Model formats under their own names. */
export const formatNames: Record<ModelFormat, string> = {
  onnx: 'ONNX',
  huggingface: 'Hugging Face',
  safetensors: 'safetensors',
};

/** The element type that most parameters have. */
export function mainDtype(outline: Pick<ModelOutline, 'dtypes'>): string | undefined {
  const counts = Object.entries(outline.dtypes).sort(([, a], [, b]) => b - a);
  return counts[0]?.[0];
}

/** `[1, 'tokens', null]` → `1 × tokens × ?`. */
export function formatShape(shape: readonly (number | string | null)[]): string {
  return shape.map((dimension) => dimension ?? '?').join(' × ');
}

/** A parameter or default as a person would type it. */
export function formatValue(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** `cka · digits-a.onnx, digits-b.onnx`. */
export function runLabel(run: Pick<RunSummary, 'analysis' | 'uris'>): string {
  return `${run.analysis} · ${run.uris.map(baseName).join(', ')}`;
}

/** Last part of a path with either separator. */
export function baseName(path: string): string {
  return path.split(/[\\/]/).findLast((part) => part !== '') ?? path;
}
