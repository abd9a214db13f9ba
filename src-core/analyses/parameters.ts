import { z } from 'zod';

// Parameters that several analyses share.

export const permutations = z
  .int()
  .min(0)
  .max(1_000_000)
  .default(0)
  .describe('Permutations of the samples of one side for the null distribution; 0 for none');

export const bootstrap = z
  .int()
  .min(0)
  .max(100_000)
  .default(0)
  .describe('Resamples for the 95 % interval; 0 for none');

export const seed = z
  .int()
  .min(0)
  .max(2 ** 32 - 1)
  .default(0)
  .describe('Seed of everything random');
