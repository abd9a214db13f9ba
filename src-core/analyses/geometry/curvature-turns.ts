import type { Reduction } from '../../capture/reduction.ts';
import type { GraphBuilder, Value } from '../../onnx/graph-builder.ts';
import { Terms } from '../terms.ts';

/**
 * What is kept of a sequence's path: sums of the angles between consecutive steps, in radians, with
 * how many there are, the same without the first token, and how many steps have length zero; these
 * are passed over.
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
  const one = t.scalar(1);
  const next = (value: Value, rank: number) => {
    const after = Array.from({ length: 2 * rank }, (_, at) => (at === rank + 1 ? 1 : 0));
    const padded = t.op('Pad', value, graph.ints(...after));
    const end = graph.ints(Number.MAX_SAFE_INTEGER);
    return t.op('Slice', padded, graph.ints(1), end, graph.ints(1));
  };
  const dot = (a: Value, b: Value) =>
    t.shaped(t.op('MatMul', t.shaped(a, 0, 0, 1, -1), t.shaped(b, 0, 0, -1, 1)), 0, -1, 1);
  const lengthOf = (value: Value) => t.op('Sqrt', dot(value, value));
  const flat = (value: Value) => t.shaped(value, 0, -1);

  // A step from each token to the next; the last token has none.
  const real = t.masked(states, t.shaped(mask, 0, -1, 1));
  const step = t.op('Sub', next(real, 3), real);
  const length = lengthOf(step);
  const unit = t.op('Div', step, t.op('Max', length, t.scalar(tiny[type])));
  const pairs = t.op('Mul', mask, next(mask, 2));
  const moves = t.op('Mul', pairs, flat(t.op('Sign', length)));

  // For each the last step before it that is not of length zero, by its number from 1, or 0.
  const places = t.places(mask);
  const number = t.shaped(t.op('Mul', places, moves), 0, 1, -1);
  const ahead = t.op('Sub', t.shaped(places, 0, -1, 1), t.shaped(places, 0, 1, -1));
  const before = t.op('Mul', number, t.op('Min', t.op('Relu', ahead), one));
  const [previous] = graph.ops('TopK', [before, graph.ints(1)], { axis: -1, largest: 1 }, 2);
  const chosen = t.op('Relu', t.op('Sub', one, t.op('Abs', t.op('Sub', before, previous!))));
  const previousUnit = t.op('MatMul', chosen, unit);

  // tan of a quarter of the angle: ‖u + w‖² and ‖u − w‖² add up to 4.
  const quarter = t.op(
    'Div',
    lengthOf(t.op('Sub', unit, previousUnit)),
    t.op('Add', t.scalar(2), lengthOf(t.op('Add', unit, previousUnit))),
  );
  const angle = t.op('Mul', t.scalar(4), flat(arctangent(t, quarter)));
  const position = flat(previous!);
  const all = t.op('Mul', moves, t.op('Min', position, one));
  const rest = t.op('Mul', moves, t.op('Min', t.op('Relu', t.op('Sub', position, one)), one));

  const sum = (a: Value, b: Value) =>
    t.shaped(t.op('MatMul', t.shaped(a, 0, 1, -1), t.shaped(b, 0, -1, 1)), 0, 1);
  const values: Record<(typeof turns)[number], Value> = {
    sum: sum(all, angle),
    count: sum(all, all),
    restSum: sum(rest, angle),
    restCount: sum(rest, rest),
    skipped: sum(pairs, t.op('Sub', one, moves)),
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
export const turnsReduction: Reduction = { id: 'turns-2', append: turnsOf };
