import type { ModelOutline } from '@repscope/core/models/model.ts';
import { baseName } from '@repscope/core/results/format.ts';
import type { RunSummary } from '@repscope/core/results/schema.ts';

/** The element type that most parameters have. */
export function mainDtype(outline: Pick<ModelOutline, 'dtypes'>): string | undefined {
  const counts = Object.entries(outline.dtypes).sort(([, a], [, b]) => b - a);
  return counts[0]?.[0];
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
