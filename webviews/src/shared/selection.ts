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
