import { describe, expect, it } from 'vitest';
import { checkRecipe } from './check.ts';

const check = (text: string) => checkRecipe(text, '/study/a.repscope.yaml');

/** What is wrong, with the text that it points at. */
function problems(text: string): [at: string, what: string, remedy: string][] {
  return check(text).problems.map(({ range, what, remedy }) => [
    text.slice(...range).trim(),
    what,
    remedy,
  ]);
}

const study = `
models: { base: enc.onnx, tuned: org/tuned }
probes: { reviews: "reviews.csv#text=body" }
captures:
  early: { model: base, probe: reviews, layers: "layers.[01].*", pool: last }
analyses:
  - analysis: cka
    inputs: [early, tuned, other.npy]
    params: { estimator: biased }
  - analysis: cka
    inputs: base
    probe: default
device: cpu
report: { html: out.html }
`;

describe('a recipe', () => {
  it('becomes jobs, with names resolved and paths beside it', () => {
    const { problems, plan } = check(study);
    expect(problems).toEqual([]);
    expect(plan!.report).toEqual({ html: 'out.html' });
    expect(plan!.analyses).toEqual([
      {
        name: 'cka',
        job: {
          kind: 'analyze',
          analysis: 'cka',
          inputs: ['enc.onnx', 'org/tuned', 'other.npy'],
          each: [
            { probe: 'reviews.csv#text=body', layers: ['layers.[01].*'], pool: 'last' },
            {},
            {},
          ],
          params: { estimator: 'biased' },
          device: 'cpu',
          cwd: '/study',
        },
      },
      {
        name: 'cka-2',
        job: expect.objectContaining({ inputs: ['enc.onnx'], probe: 'default' }) as unknown,
      },
    ]);
  });

  it('says where each mistake is, and what was meant', () => {
    expect(
      problems(`
models: { base: enc.onnx }
probes: { reviews: r.csv }
captures: { early: { model: bas, probe: review } }
analyses:
  - analysis: ckaa
    inputs: early
  - analysis: cka
    inputs: [earl, base]
    params: { estimator: bised, kernal: rbf }
  - analysis: spectrum
    inputs: [base, early]
    labels: y.txt
`),
    ).toEqual([
      ['bas', "there is no model 'bas'", 'did you mean base?'],
      ['review', "there is no probe 'review'", 'did you mean reviews?'],
      ['ckaa', "there is no analysis 'ckaa'", expect.stringContaining('cka')],
      ['bised', expect.stringContaining("parameter 'estimator'"), expect.any(String)],
      ['kernal', expect.stringContaining("parameter 'kernal'"), expect.any(String)],
      ['earl', "there is no model 'earl'", 'did you mean early?'],
      ['labels', 'spectrum takes no labels', 'leave them out'],
      ['[base, early]', 'spectrum takes one input, 2 given', 'name models or matrices'],
    ]);
  });

  it.each([
    ['', 'analyses', /missing/],
    ['analyses: []', '[]', /cannot be this/],
    ['analyses: [{ analysis: cka }]', '{ analysis: cka }', /inputs' is missing/],
    ['analyses: [{ analysis: cka, inputs: 3 }]', '3', /cannot be this/],
    ['analysis: []', 'analysis', /nothing that a recipe has here/],
    ['device: gpu\nanalyses: [{ analysis: cka, inputs: a.npy }]', 'gpu', /cannot be this/],
    ['models: { "a b": x.onnx }\nanalyses: [{ analysis: cka, inputs: a }]', '"a b"', /not a name/],
    ['a: [1, 2', '', /./],
    ['analyses: 1\nanalyses: 2', '', /unique/],
  ])('%j is refused', (text, at, what) => {
    const found = problems(text);
    const match = found.find((problem) => what.test(problem[1]));
    expect(match, JSON.stringify(found)).toBeDefined();
    if (text.includes(at) && at !== '') expect(match![0]).toBe(at);
  });

  it('counts lines and columns from one', () => {
    const [problem] = check('analyses:\n  - analysis: ckaa\n    inputs: a.npy\n').problems;
    expect(problem).toMatchObject({ line: 2, column: 15 });
  });

  it('needs different names', () => {
    const text = `analyses:
  - { name: a, analysis: cka, inputs: [x.npy, y.npy] }
  - { name: a, analysis: cka, inputs: [x.npy, y.npy] }`;
    expect(problems(text)).toEqual([
      ['a', "'a' is the name of two analyses", 'choose another name'],
    ]);
  });
});
