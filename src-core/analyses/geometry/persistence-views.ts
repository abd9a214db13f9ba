import type { Real, View } from '../../results/schema.ts';
import { shortNumber } from '../../results/format.ts';
import type { Side } from '../definition.ts';
import type { Diagram } from './rips/rips.ts';

export interface LayerPersistence {
  label: string;
  /** By degree. */
  diagrams: Diagram[];
  threshold: number;
  errorBound: number;
}

/** Layers of which barcodes are shown. */
const mostShown = 3;
/** Intervals of a degree in a barcode, the longest. */
const mostBars = 100;
const mostPoints = 2000;
const samplesOfCurve = 100;

const degreeName = (degree: number) => `H${degree}`;

const lengthOf = ([birth, death]: Diagram[number]) => (death ?? Infinity) - birth;

const longest = (diagram: Diagram, count: number): Diagram =>
  diagram.length <= count
    ? diagram
    : [...diagram].sort((a, b) => lengthOf(b) - lengthOf(a)).slice(0, count);

/** Of the intervals that end. */
const longestEnded = (diagram: Diagram | undefined): number =>
  (diagram ?? []).reduce(
    (most, [birth, death]) => (death === null ? most : Math.max(most, death - birth)),
    0,
  );

/**
 * A profile of the longest intervals over layers and a table; barcode, diagram and Betti curves of
 * few layers, or of the one with the longest interval of the highest degree.
 */
export function persistenceViews(side: Side, layers: readonly LayerPersistence[]): View[] {
  const highest = layers[0]!.diagrams.length - 1;
  const lengths = layers.map(({ diagrams }) => longestEnded(diagrams[highest]));
  const shown =
    layers.length <= mostShown ? layers : [layers[lengths.indexOf(Math.max(...lengths))]!];
  return [
    ...(layers.length > 1 ? [profile(side, layers)] : []),
    ...shown.flatMap((layer) => {
      const of = layers.length > 1 ? `: ${layer.label}` : '';
      return [barcode(layer, of), scatter(layer, of), bettiCurves(layer, of)];
    }),
    {
      kind: 'table',
      title: 'Persistent homology',
      columns: ['layer', 'degree', 'intervals', 'infinite', 'longest', 'threshold', 'error bound'],
      rows: layers.flatMap(({ label, diagrams, threshold, errorBound }) =>
        diagrams.map((diagram, degree) => [
          label,
          degreeName(degree),
          diagram.length,
          diagram.filter(([, death]) => death === null).length,
          longestEnded(diagram),
          threshold,
          errorBound,
        ]),
      ),
    },
  ];
}

function profile(side: Side, layers: readonly LayerPersistence[]): View {
  return {
    kind: 'line',
    title: 'Longest interval over layers',
    x: { name: side.name, values: layers.map(({ label }) => label) },
    y: { name: 'death − birth' },
    series: layers[0]!.diagrams.map((_, degree) => ({
      name: degreeName(degree),
      values: layers.map(({ diagrams }) => longestEnded(diagrams[degree])),
    })),
  };
}

function barcode({ diagrams }: LayerPersistence, of: string): View {
  const cut = diagrams.some((diagram) => diagram.length > mostBars);
  return {
    kind: 'barcode',
    title: `Barcode${of}${cut ? ` (the longest ${mostBars} of each degree)` : ''}`,
    x: { name: 'distance' },
    series: diagrams.map((diagram, degree) => ({
      name: degreeName(degree),
      intervals: longest(diagram, mostBars),
    })),
  };
}

function scatter({ diagrams, threshold }: LayerPersistence, of: string): View {
  const infinite = threshold * 1.05;
  return {
    kind: 'scatter',
    title: `Persistence diagram${of} (infinite deaths at ${shortNumber(infinite)})`,
    x: { name: 'birth' },
    y: { name: 'death' },
    square: true,
    series: [
      ...diagrams.map((diagram, degree) => ({
        name: degreeName(degree),
        points: longest(diagram, mostPoints).map(([birth, death]): [Real, Real] => [
          birth,
          death ?? infinite,
        ]),
      })),
      {
        name: 'birth = death',
        points: [
          [0, 0],
          [infinite, infinite],
        ],
        line: true,
      },
    ],
  };
}

/** How many classes there are at each distance. */
function bettiCurves({ diagrams, threshold }: LayerPersistence, of: string): View {
  const at = Array.from({ length: samplesOfCurve + 1 }, (_, k) => (threshold * k) / samplesOfCurve);
  const alive = (diagram: Diagram) => {
    const births = Float64Array.from(diagram, ([birth]) => birth).sort();
    const deaths = Float64Array.from(diagram, ([, death]) => death ?? Infinity).sort();
    let [begun, ended] = [0, 0];
    return at.map((distance) => {
      while (begun < births.length && births[begun]! <= distance) begun++;
      while (ended < deaths.length && deaths[ended]! <= distance) ended++;
      return begun - ended;
    });
  };
  return {
    kind: 'line',
    title: `Betti curves${of}`,
    x: { name: 'distance', values: at.map((distance) => Number(distance.toPrecision(3))) },
    y: { name: 'classes' },
    series: diagrams.map((diagram, degree) => ({
      name: degreeName(degree),
      values: alive(diagram),
    })),
  };
}
