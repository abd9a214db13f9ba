import type { ParameterInfo } from '@repscope/core/protocol/language-server.ts';
import { describe, expect, it } from 'vitest';
import { changedParameters, describeParameters, parseParameter } from './parameters.ts';

const permutations: ParameterInfo = {
  name: 'permutations',
  type: 'number',
  default: 0,
  integer: true,
  minimum: 0,
  maximum: 1000,
  description: 'Label permutations',
};
const kernel: ParameterInfo = {
  name: 'kernel',
  type: 'choice',
  choices: ['linear', 'rbf'],
  default: 'linear',
  description: 'Kernel',
};
const debiased: ParameterInfo = {
  name: 'debiased',
  type: 'boolean',
  default: true,
  description: 'Unbiased estimator',
};

describe('parseParameter', () => {
  it.each([
    [permutations, '100', 100],
    [permutations, ' 1e3 ', 1000],
    [permutations, '', 0],
    [kernel, 'rbf', 'rbf'],
    [debiased, 'false', false],
    [{ ...kernel, type: 'string' as const }, 'anything', 'anything'],
  ])('reads %o from "%s"', (info, text, value) => {
    expect(parseParameter(info, text)).toEqual({ value });
  });

  it.each([
    [permutations, 'many', 'permutations: "many" is not a number'],
    [permutations, 'Infinity', 'permutations: "Infinity" is not a number'],
    [permutations, '0.5', 'permutations: write a whole number'],
    [permutations, '-1', 'permutations: at least 0'],
    [permutations, '1001', 'permutations: at most 1000'],
    [kernel, 'cubic', 'kernel: one of linear, rbf'],
    [debiased, 'yes', 'debiased: write true or false'],
  ])('refuses for %o "%s"', (info, text, problem) => {
    expect(parseParameter(info, text)).toEqual({ problem });
  });
});

describe('changedParameters', () => {
  it('sends only what differs from the defaults', () => {
    const values = new Map<string, unknown>([
      ['permutations', 100],
      ['kernel', 'linear'],
      ['debiased', false],
    ]);
    const changed = changedParameters({ params: [permutations, kernel, debiased] }, values);
    expect(changed).toEqual({ permutations: 100, debiased: false });
    expect(describeParameters(changed)).toBe('permutations = 100, debiased = false');
  });
});
