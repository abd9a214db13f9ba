import { expect, test } from 'vitest';
import { SourceDocument } from '../source-document.ts';
import { isRecipe, recipeDiagnostics } from './recipe.ts';

const uri = 'file:///study/a.repscope.yaml';
const open = (text: string) => new SourceDocument(uri, 'yaml', 1, text);

test('recipes are known by their names', () => {
  expect(isRecipe({ uri })).toBe(true);
  expect(isRecipe({ uri: 'file:///study/B.Repscope.YML' })).toBe(true);
  expect(isRecipe({ uri: 'file:///study/compose.yaml' })).toBe(false);
});

test('a mistake is marked where it stands', () => {
  const found = recipeDiagnostics(open('analyses:\n  - { analysis: ckaa, inputs: x.npy }\n'));
  expect(found).toEqual([
    expect.objectContaining({
      range: { start: { line: 1, character: 16 }, end: { line: 1, character: 20 } },
      code: 'recipe',
      message: expect.stringMatching(/no analysis 'ckaa'; did you mean .*cka/) as unknown,
    }),
  ]);
});

test('a recipe without mistakes has none', () => {
  expect(recipeDiagnostics(open('analyses: [{ analysis: cka, inputs: [a.npy, b.npy] }]'))).toEqual(
    [],
  );
});
