import type { Real, View } from '../../results/schema.ts';
import type { Side } from '../definition.ts';
import { numericalRank, type PowerLaw } from './spectrum-measures.ts';

export interface LayerSpectrum {
  label: string;
  eigenvalues: Float64Array;
  fit: PowerLaw;
  measures: Record<
    | 'participationRatio'
    | 'effectiveRank'
    | 'rankMe'
    | 'stableRank'
    | 'vonNeumann'
    | 'alpha'
    | 'alphaR2',
    Real
  >;
}

const mostPoints = 200;
const mostCurves = 12;

/** Eigenvalues on log axes, profiles over layers, and a table of every measure. */
export function spectrumViews(side: Side, layers: readonly LayerSpectrum[]): View[] {
  const views: View[] = [curves(layers)];
  if (layers.length > 1) {
    views.push(
      profile(side, layers, 'Effective dimensions', 'dimensions', [
        'participationRatio',
        'effectiveRank',
        'rankMe',
        'stableRank',
      ]),
      profile(side, layers, 'Power law of eigenvalues', 'alpha', ['alpha']),
    );
  }
  const names = Object.keys(layers[0]!.measures) as (keyof LayerSpectrum['measures'])[];
  views.push({
    kind: 'table',
    title: 'Spectrum',
    columns: ['layer', ...names],
    rows: layers.map(({ label, measures }) => [label, ...names.map((name) => measures[name])]),
  });
  return views;
}

function curves(layers: readonly LayerSpectrum[]): View {
  const shown = evenly(layers, mostCurves);
  const longest = Math.max(...shown.map(({ eigenvalues }) => eigenvalues.length));
  const ranks = spacedRanks(longest);
  // Lines over a dozen curves would hide them.
  const fits = shown.length === 1 && Number.isFinite(shown[0]!.fit.alpha) ? [shown[0]!.fit] : [];
  return {
    kind: 'line',
    title: 'Eigenvalues of the covariance',
    x: { name: 'rank', values: ranks, log: true },
    y: { name: 'eigenvalue', log: true },
    series: [
      ...shown.map(({ label, eigenvalues }) => {
        // Rounding would stretch the axis over ten further decades.
        const rank = numericalRank(eigenvalues);
        return { name: label, values: ranks.map((i) => (i <= rank ? eigenvalues[i - 1]! : null)) };
      }),
      ...fits.map(({ alpha, scale, first, last }) => ({
        name: `α = ${alpha.toFixed(2)}, ranks ${first}–${last}`,
        values: ranks.map((i) => (i >= first && i <= last ? scale * i ** -alpha : null)),
      })),
    ],
  };
}

function profile(
  side: Side,
  layers: readonly LayerSpectrum[],
  title: string,
  unit: string,
  names: (keyof LayerSpectrum['measures'])[],
): View {
  return {
    kind: 'line',
    title,
    x: { name: side.name, values: layers.map(({ label }) => label) },
    y: { name: unit },
    series: names.map((name) => ({ name, values: layers.map(({ measures }) => measures[name]) })),
  };
}

/** At most `count` items, the first and the last among them. */
function evenly<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from(
    { length: count },
    (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!,
  );
}

/** Whole ranks 1 … last, all of them where they are few, else evenly spaced on a log axis. */
function spacedRanks(last: number): number[] {
  const ranks = Array.from({ length: Math.min(last, mostPoints) }, (_, i) =>
    last <= mostPoints ? i + 1 : Math.round(last ** (i / (mostPoints - 1))),
  );
  return [...new Set(ranks)];
}
