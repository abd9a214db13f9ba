/** Different numbers up to which a feature is one of classes. */
const mostNumericClasses = 10;
/** Whole numbers that occur less often than this, on average, are a quantity too. */
const leastRepeats = 10;

export interface Feature {
  readonly name: string;
  /** Values of a feature of classes; absent for a quantity. */
  readonly classes?: readonly string[];
  /** n × width, centred: one column a class, or the quantity in units of its deviation. */
  readonly columns: Float64Array;
  readonly width: number;
  /** What was subtracted from each column. */
  readonly means: Float64Array;
  /** Place of each sample's class among `classes`, or the quantity. */
  readonly values: Float64Array;
}

/**
 * A feature as columns to regress on. Numbers of more than ten different values are a quantity, one
 * column, where some are not whole or each occurs fewer than ten times; everything else is classes,
 * one column each.
 */
export function featureOf(name: string, labels: readonly string[]): Feature {
  const n = labels.length;
  const distinct = [...new Set(labels)].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const numeric = distinct.every((label) => label.trim() !== '' && Number.isFinite(Number(label)));
  const repeated =
    distinct.every((label) => Number.isInteger(Number(label))) &&
    n >= leastRepeats * distinct.length;
  if (numeric && distinct.length > mostNumericClasses && !repeated) {
    const values = Float64Array.from(labels, Number);
    const mean = values.reduce((sum, value) => sum + value, 0) / n;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n);
    const columns = values.map((value) => (value - mean) / deviation);
    return { name, columns, width: 1, means: Float64Array.of(0), values: columns };
  }
  const width = distinct.length;
  const place = new Map(distinct.map((label, at) => [label, at]));
  const values = Float64Array.from(labels, (label) => place.get(label)!);
  const means = new Float64Array(width);
  for (const at of values) means[at]! += 1 / n;
  const columns = Float64Array.from({ length: n * width }, (_, at) => -means[at % width]!);
  values.forEach((at, i) => (columns[i * width + at]! += 1));
  return { name, classes: distinct, columns, width, means, values };
}

/** Columns of features beside each other, n × their widths. */
export function sideBySide(features: readonly Feature[], n: number): Float64Array {
  const width = features.reduce((sum, feature) => sum + feature.width, 0);
  const design = new Float64Array(n * width);
  let offset = 0;
  for (const feature of features) {
    for (let i = 0; i < n; i++) {
      const row = feature.columns.subarray(i * feature.width, (i + 1) * feature.width);
      design.set(row, i * width + offset);
    }
    offset += feature.width;
  }
  return design;
}
