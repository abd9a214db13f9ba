import { expect, test } from 'vitest';
import { inputCount } from './inputs.ts';

test.each([
  [{ arity: 1 }, [1, 1, 'one input']],
  [{ arity: 2 }, [1, Infinity, 'one model, or two inputs or more']],
  [{ arity: 2, alone: true }, [1, Infinity, 'one input or more']],
  [{ arity: 2, relation: 'series' }, [2, Infinity, 'two inputs or more']],
  [{ arity: 2, relation: 'sets' }, [2, 2, 'two inputs']],
  [{ arity: 2, relation: 'reference' }, [2, 2, 'two inputs']],
] as const)('%j', (definition, expected) => {
  expect(inputCount(definition)).toEqual(expected);
});
