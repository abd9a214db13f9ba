import type { Result } from '@repscope/core/results/schema.ts';
import { exact } from './format.ts';

/** The labels (mostly layer names) that all plots of the page point out together. */
export class Selection {
  #labels: readonly string[] = [];
  readonly #listeners = new Set<(labels: readonly string[]) => void>();

  get labels(): readonly string[] {
    return this.#labels;
  }

  set(labels: readonly string[]): void {
    const distinct = [...new Set(labels)];
    if (distinct.join('\0') === this.#labels.join('\0')) return;
    this.#labels = distinct;
    for (const listener of this.#listeners) listener(distinct);
  }

  onChange(listener: (labels: readonly string[]) => void): void {
    this.#listeners.add(listener);
  }
}

/** Labels of rows and positions on the page, in their first order; layers alone where there are any. */
export function selectable(result: Result): string[] {
  const layers = new Set(result.inputs.flatMap(({ layer }) => (layer === null ? [] : [layer])));
  const found = new Set<string>();
  for (const view of result.views) {
    if (view.kind === 'heatmap') {
      for (const value of [...view.y.values, ...view.x.values]) found.add(exact(value));
    } else if (view.kind === 'line') {
      for (const value of view.x.values) if (typeof value === 'string') found.add(value);
    }
    if (view.kind === 'line' || view.kind === 'scatter') {
      for (const { name } of view.series) if (layers.has(name)) found.add(name);
    }
  }
  const named = [...found].filter((label) => layers.has(label));
  return named.length > 1 ? named : [...found];
}
