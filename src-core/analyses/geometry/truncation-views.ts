import type { Real, View } from '../../results/schema.ts';
import type { Side } from '../definition.ts';
import type { LayerTruncation } from './truncation.ts';

const mostCurves = 12;

/** A layer's curve beside those of as many other directions; of many layers, their curves. */
export function truncationViews(
  side: Side,
  layers: readonly LayerTruncation[],
  labelled: boolean,
): View[] {
  const name = labelled ? 'accuracy' : 'overlap';
  const measure = labelled ? '1-NN accuracy' : 'share of neighbours kept';
  const only = layers.length === 1 ? layers[0]! : undefined;
  const sizes = [...new Set(layers.flatMap(({ prefixes }) => prefixes))].sort((a, b) => a - b);
  const axis = { name: 'units kept', values: sizes, log: true };
  const stride = Math.ceil(layers.length / mostCurves);
  const shown = layers.filter((_, at) => at % stride === 0);
  const curve = (title: string, y: string, series: { name: string; values: Real[] }[]): View => ({
    kind: 'line',
    title,
    x: axis,
    y: { name: y },
    series,
  });
  const views: View[] = only
    ? [
        curve(labelled ? 'Accuracy of prefixes' : 'Neighbours kept by prefixes', measure, [
          { name: 'first units', values: only.leading.map((kept) => kept[name]) },
          { name: 'principal components', values: only.components.map((kept) => kept[name]) },
          { name: 'random units', values: only.random.map((kept) => kept[name]) },
        ]),
      ]
    : [
        curve(
          labelled ? 'Accuracy of prefixes, by layer' : 'Neighbours kept by prefixes, by layer',
          measure,
          shown.map(({ label, prefixes, leading }) => ({
            name: label,
            values: sizes.map((size) => leading[prefixes.indexOf(size)]?.[name] ?? null),
          })),
        ),
      ];
  if (only && labelled) {
    views.push(
      curve('Neighbours kept by prefixes', 'share of neighbours kept', [
        { name: 'first units', values: only.leading.map(({ overlap }) => overlap) },
        { name: 'principal components', values: only.components.map(({ overlap }) => overlap) },
        { name: 'random units', values: only.random.map(({ overlap }) => overlap) },
      ]),
    );
  }
  views.push({
    kind: 'table',
    title: `Truncation of ${side.name}`,
    columns: [
      'layer',
      'units',
      ...(labelled ? ['accuracy', 'pca', 'random'] : []),
      'overlap',
      ...(labelled ? [] : ['pca', 'random']),
    ],
    rows: layers.flatMap(({ label, prefixes, leading, components, random }) =>
      prefixes.map((size, at) => {
        const others = [components[at]![name], random[at]![name]];
        const { accuracy, overlap } = leading[at]!;
        return [label, size, ...(labelled ? [accuracy, ...others, overlap] : [overlap, ...others])];
      }),
    ),
  });
  return views;
}
