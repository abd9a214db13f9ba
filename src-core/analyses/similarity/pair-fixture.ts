import { readFileSync } from 'node:fs';
import type { Rows } from '../test-support.ts';

const url = new URL('../../../test/fixtures/similarity/pairs.json', import.meta.url);

interface CcaValues {
  meanRho: number;
  r2: number;
  pwcca: number;
  rho: number[];
  ranks: number[];
}

interface ProcrustesValues {
  distance: number;
  normalized: number;
  angular: number;
}

/** Values of test/fixtures/similarity/pairs.py; no product code imports this. */
export const fixture = JSON.parse(readFileSync(url, 'utf8')) as {
  x: Rows;
  y: Rows;
  wide: Rows;
  cca: Record<'all' | 'reversed' | 'svcca' | 'wide', CcaValues>;
  procrustes: Record<'narrow' | 'wide', ProcrustesValues>;
  shape: { alpha: number; xy: number; xWide: number }[];
  mutualKnn: { k: number; metric: string; clip: number; overlap: number }[];
  cknna: { k: number; cknna: number }[];
  dcor: { biased: number; debiasedSquared: number; debiasedSquaredIndependent: number };
  imbalance: { aToB: number; bToA: number };
};
