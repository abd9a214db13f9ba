import { describe, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { analyses, analysisInfo, findAnalysis, parseParams } from './registry.ts';

const messageOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).code).toBe('usage');
    return (error as UserError).message;
  }
  throw new Error('nothing was thrown');
};

describe('the registry', () => {
  test('has each id once, a family after the other', () => {
    const ids = analyses.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)]);
    const runs = analyses.filter(({ family }, at) => family !== analyses[at - 1]?.family);
    expect(new Set(runs.map(({ family }) => family)).size).toBe(runs.length);
  });

  test.each(analyses.map((definition) => [definition.id, definition] as const))(
    '%s tells all that users are shown',
    (_, definition) => {
      const info = analysisInfo(definition);
      expect(info.values).toHaveProperty(info.headline);
      for (const text of [info.title, info.summary, info.formula, info.citation, info.misleads]) {
        expect(text.length).toBeGreaterThan(10);
      }
      for (const param of info.params) {
        expect(param.description, param.name).not.toBe('');
        expect(param.default, param.name).toBeDefined();
        if (param.type === 'choice') expect(param.choices).toContain(param.default);
      }
    },
  );

  test('parameters come from the schema', () => {
    const { params } = analysisInfo(findAnalysis('cka'));
    expect(params.map(({ name, type, default: value }) => [name, type, value])).toEqual([
      ['kernel', 'choice', 'linear'],
      ['bandwidth', 'number', 0.5],
      ['estimator', 'choice', 'debiased'],
      ['batch', 'number', 0],
      ['permutations', 'number', 0],
      ['bootstrap', 'number', 0],
      ['seed', 'number', 0],
    ]);
    expect(params[0]!.choices).toEqual(['linear', 'rbf']);
  });

  test.each([
    ['ckaa', /did you mean cka\?/],
    ['CKA', /did you mean cka\b/],
    ['intrinsic', /did you mean intrinsic-dim\?/],
    ['zzz', /choose one of cka, /],
  ])('unknown id %s', (id, expected) => {
    expect(messageOf(() => findAnalysis(id))).toMatch(expected);
  });
});

describe('parameters', () => {
  const cka = findAnalysis('cka');

  test('are coerced from text', () => {
    const given = { kernel: ' rbf', bandwidth: '1e0', batch: '64', seed: 7 };
    expect(parseParams(cka, given)).toMatchObject({
      kernel: 'rbf',
      bandwidth: 1,
      batch: 64,
      seed: 7,
    });
    const spectrum = findAnalysis('spectrum');
    expect(parseParams(spectrum, { center: 'false', window: '3,100' })).toEqual({
      center: false,
      window: '3,100',
    });
  });

  test('have the defaults of the catalogue', () => {
    expect(parseParams(findAnalysis('intrinsic-dim'), {})).toEqual({
      estimator: 'twonn',
      discard: 0.1,
      k: 20,
      combine: 'harmonic',
      rule: 'fo',
      variance: 0.99,
      bootstrap: 0,
      seed: 0,
    });
  });

  test.each([
    [{ kernal: 'rbf' }, /parameter 'kernal'.*choose among kernel, bandwidth, estimator/],
    [
      { kernel: 'poly' },
      /'poly' is not one of linear, rbf; give one of linear, rbf, or leave it out for "linear"/,
    ],
    [{ bandwidth: '-1' }, /'-1' is not a number above 0/],
    [{ bandwidth: 'wide' }, /'wide' is not a number above 0/],
    [{ bandwidth: '' }, /'' is not a number above 0/],
    [{ batch: '2.5' }, /'2\.5' is not a whole number/],
    [{ batch: 3 }, /'3' is not 0 or at least 4/],
    [{ permutations: 'NaN' }, /parameter 'permutations': 'NaN' is not a whole number at least 0/],
  ])('%j is refused with what it may be', (raw, expected) => {
    expect(messageOf(() => parseParams(cka, raw))).toMatch(expected);
  });

  test('of yes and no', () => {
    const spectrum = findAnalysis('spectrum');
    expect(messageOf(() => parseParams(spectrum, { center: 'maybe' }))).toMatch(
      /'maybe' is not true or false/,
    );
  });

  test('beyond both ends', () => {
    const dimension = findAnalysis('intrinsic-dim');
    expect(messageOf(() => parseParams(dimension, { discard: 1 }))).toMatch(
      /'1' is not a number at least 0 and below 1/,
    );
    expect(messageOf(() => parseParams(dimension, { k: 1 }))).toMatch(
      /'1' is not a whole number at least 2 and at most 1000/,
    );
  });
});
