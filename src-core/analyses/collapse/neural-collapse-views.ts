import type { Real, View } from '../../results/schema.ts';
import type { Side } from '../definition.ts';
import { real } from '../statistics.ts';
import { collapseKeys, type CollapseKey, type LayerCollapse } from './neural-collapse-layer.ts';

/** Classes beyond which no picture shows each with each, or each as a bar. */
const mostPictured = 200;

/** Profiles over layers, the frame that the last layer's class means form, and every value. */
export function collapseViews(
  side: Side,
  layers: readonly LayerCollapse[],
  target: string,
): View[] {
  const last = layers.at(-1)!;
  return [
    ...(layers.length > 1 ? profiles(side, layers) : []),
    ...(last.classes.names.length <= mostPictured ? frame(last, target, layers.length > 1) : []),
    {
      kind: 'table',
      title: 'Neural collapse',
      columns: ['layer', ...collapseKeys],
      rows: layers.map(({ label, values }) => [label, ...collapseKeys.map((key) => values[key])]),
    },
  ];
}

/** Curves of the keys that have a value anywhere; nothing where none has. */
function profiles(side: Side, layers: readonly LayerCollapse[]): View[] {
  const curve = (
    title: string,
    unit: string,
    keys: readonly CollapseKey[],
    log: boolean,
  ): View[] => {
    const shown = keys.filter((key) => layers.some(({ values }) => values[key] !== null));
    if (shown.length === 0) return [];
    // A log axis has no place for zero.
    const value = (number: Real) => (log && number !== null && number <= 0 ? null : number);
    return [
      {
        kind: 'line',
        title,
        x: { name: side.name, values: layers.map(({ label }) => label) },
        y: { name: unit, ...(log ? { log } : {}) },
        series: shown.map((key) => ({
          name: key,
          values: layers.map(({ values }) => value(values[key])),
        })),
      },
    ];
  };
  return [
    ...curve('Variability within classes (NC1)', 'within / between', ['nc1', 'cdnv'], true),
    ...curve(
      'Symmetry of class means (NC2)',
      'distance from the frame',
      ['nc2.normCv', 'nc2.cosStd', 'nc2.angle', 'etfError'],
      false,
    ),
    ...curve('Classifier and class means (NC3, NC4)', 'nc3, share', ['nc3', 'nc4'], false),
    ...curve('Variability collapse index', 'vci', ['vci'], false),
  ];
}

/** The class means of one layer: their cosines, and their lengths beside the sizes of classes. */
function frame(layer: LayerCollapse, target: string, several: boolean): View[] {
  const { label, classes, cosines, lengths } = layer;
  const { names, counts } = classes;
  const count = names.length;
  const of = several ? ` of ${label}` : '';
  const means = target === 'simplex' ? 'centred class means' : 'class means';
  const share = (values: ArrayLike<number>) => {
    const list = Array.from(values);
    const middle = list.reduce((sum, value) => sum + value, 0) / count;
    return list.map((value) => real(value / middle));
  };
  const unequal = new Set(counts).size > 1;
  return [
    ...(cosines
      ? [
          {
            kind: 'heatmap' as const,
            title: `Cosines of ${means}${of}`,
            x: { name: 'class', values: [...names] },
            y: { name: 'class', values: [...names] },
            z: names.map((_, a) =>
              Array.from(cosines.subarray(a * count, (a + 1) * count), (value) => real(value)),
            ),
            range: [-1, 1] as [number, number],
            colors: 'diverging' as const,
            unit: 'cosine',
          },
        ]
      : []),
    {
      kind: 'bars',
      title: `Lengths of ${means}${of}`,
      x: { name: 'class', values: [...names] },
      y: { name: 'share of the mean over classes' },
      series: [
        { name: 'length', values: share(lengths) },
        ...(unequal ? [{ name: 'samples', values: share(counts) }] : []),
      ],
    },
  ];
}
