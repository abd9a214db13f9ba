import type { Reduction } from '../../capture/reduction.ts';
import type { GraphBuilder, Value } from '../../onnx/graph-builder.ts';
import { Terms } from '../terms.ts';

/**
 * What is kept of a sequence's path: sums of the angles between consecutive steps, in radians, with
 * how many there are, the same without the first token, and how many steps have length zero.
 */
export const turns = ['sum', 'count', 'restSum', 'restCount', 'skipped'] as const;

/** Smallest length that anything is divided by: a normal number, so that no device flushes it to 0. */
const tiny = { float32: 1e-37, float64: 1e-300 };

function turnsOf(
  graph: GraphBuilder,
  states: Value,
  mask: Value,
  type: 'float32' | 'float64',
): Value {
  const t = new Terms(graph, type);
  const least = t.scalar(tiny[type]);
  // States at, one after and two after each token, and whether all of these are tokens.
  const shifted = (value: Value, rank: number) => {
    const after = Array.from({ length: 2 * rank }, (_, at) => (at === rank + 1 ? 2 : 0));
    const padded = t.op('Pad', value, graph.ints(...after));
    const from = (start: number, end: number) =>
      t.op('Slice', padded, graph.ints(start), graph.ints(end), graph.ints(1));
    return [value, from(1, -1), from(2, Number.MAX_SAFE_INTEGER)] as const;
  };
  const [here, next, last] = shifted(t.masked(states, t.shaped(mask, 0, -1, 1)), 3);
  const [real, nextReal, lastReal] = shifted(mask, 2);

  const dot = (a: Value, b: Value) =>
    t.shaped(t.op('MatMul', t.shaped(a, 0, 0, 1, -1), t.shaped(b, 0, 0, -1, 1)), 0, -1, 1);
  const lengthOf = (step: Value) => t.op('Sqrt', dot(step, step));
  const step = t.op('Sub', next, here);
  const following = t.op('Sub', last, next);
  const [length, followingLength] = [lengthOf(step), lengthOf(following)];
  const unit = t.op('Div', step, t.op('Max', length, least));
  const followingUnit = t.op('Div', following, t.op('Max', followingLength, least));
  // tan of a quarter of the angle: ‖u + w‖² and ‖u − w‖² add up to 4.
  const quarter = t.op(
    'Div',
    lengthOf(t.op('Sub', unit, followingUnit)),
    t.op('Add', t.scalar(2), lengthOf(t.op('Add', unit, followingUnit))),
  );

  const flat = (value: Value) => t.shaped(value, 0, -1);
  const moves = flat(t.op('Sign', length));
  const pairs = t.op('Mul', real, nextReal);
  const angles = t.op(
    'Mul',
    t.op('Mul', pairs, lastReal),
    t.op('Mul', moves, flat(t.op('Sign', followingLength))),
  );
  const first = t.first(mask, t.places(mask));
  const rest = t.op('Mul', angles, t.op('Sub', t.scalar(1), first));
  const still = t.op('Sub', t.scalar(1), moves);

  const sum = (a: Value, b: Value) =>
    t.shaped(t.op('MatMul', t.shaped(a, 0, 1, -1), t.shaped(b, 0, -1, 1)), 0, 1);
  const angle = t.op('Mul', t.scalar(4), flat(arctangent(t, quarter)));
  const values: Record<(typeof turns)[number], Value> = {
    sum: sum(angles, angle),
    count: sum(angles, angles),
    restSum: sum(rest, angle),
    restCount: sum(rest, rest),
    skipped: sum(pairs, still),
  };
  return graph.op(
    'Concat',
    turns.map((name) => values[name]),
    { axis: 1 },
  );
}

const halvings = 3;
const terms = 8;

/** Of values from 0 to 1, to the last digits of float64: not every device has Atan, nor in float64. */
function arctangent(t: Terms, value: Value): Value {
  const one = t.scalar(1);
  let x = value;
  // tan(φ/2) = tan φ/(1 + √(1 + tan² φ)); what is left is at most tan(π/32).
  for (let halving = 0; halving < halvings; halving++) {
    const root = t.op('Sqrt', t.op('Add', one, t.op('Mul', x, x)));
    x = t.op('Div', x, t.op('Add', one, root));
  }
  const square = t.op('Mul', x, x);
  let series = t.scalar(0);
  for (let term = terms - 1; term >= 0; term--) {
    const coefficient = t.scalar((term % 2 === 0 ? 1 : -1) / (2 * term + 1));
    series = t.op('Add', coefficient, t.op('Mul', series, square));
  }
  return t.op('Mul', t.scalar(2 ** halvings), t.op('Mul', x, series));
}

/** The turns of each sample's path through a layer [batch, tokens, units]. */
export const turnsReduction: Reduction = { id: 'turns-1', append: turnsOf };
