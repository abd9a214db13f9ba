import { expect, test } from 'vitest';
import { reduceValues, type Reduction } from '../capture/reduction.ts';
import { GraphBuilder } from '../onnx/graph-builder.ts';
import { attentionReduction } from './collapse/attention-statistics.ts';
import { meanReduction } from './collapse/token-mean.ts';
import { turnsReduction } from './geometry/curvature-turns.ts';
import { Random } from './random.ts';
import { cpuEngine } from './test-support.ts';

const [real, padded] = [4, 7];

/** What a reduction makes of four tokens among three of padding. */
async function withPadding(
  reduction: Reduction,
  data: Float32Array,
  dims: number[],
  first: number,
) {
  const graph = new GraphBuilder('padded');
  const value = graph.input('value', 'float32', dims);
  const mask = graph.input('mask', 'float32', [1, padded]);
  const y = reduction.append(graph, value, mask, 'float32');
  graph.output(graph.op('Identity', [y], {}, 'y'), 'float32', [1, 'units']);
  const isReal = (token: number) => token >= first && token < first + real;
  const answer = await (
    await cpuEngine()
  ).run(graph.finish(), {
    value: { dtype: 'float32', dims, data },
    mask: {
      dtype: 'float32',
      dims: [1, padded],
      data: Float32Array.from({ length: padded }, (_, token) => Number(isReal(token))),
    },
  });
  return Array.from(answer['y']!.data as Float32Array);
}

const random = new Random(2);
const noise = (length: number) => Float32Array.from({ length }, () => random.uniform());

/** Values [1, heads, 4, 4] or [1, 4, units] among NaN. */
function spread(values: Float32Array, first: number, heads: number, units: number): Float32Array {
  const out = new Float32Array(heads * padded * (units === real ? padded : units)).fill(NaN);
  const width = units === real ? padded : units;
  const shift = units === real ? first : 0;
  for (let head = 0; head < heads; head++) {
    for (let token = 0; token < real; token++) {
      const from = (head * real + token) * units;
      const to = (head * padded + first + token) * width + shift;
      out.set(values.subarray(from, from + units), to);
    }
  }
  return out;
}

test.each([
  ['on the right', 0],
  ['on the left', 3],
  ['on both sides', 1],
])('padding %s has no part in any statistic, whatever it holds', async (_, first) => {
  const engine = await cpuEngine();
  const close = (found: number[], wanted: ArrayLike<number>) => {
    expect(found).toHaveLength(wanted.length);
    found.forEach((value, at) => expect(value).toBeCloseTo(wanted[at]!, 5));
  };
  for (const reduction of [turnsReduction, meanReduction]) {
    const states = noise(real * 5);
    close(
      await withPadding(reduction, spread(states, first, 1, 5), [1, padded, 5], first),
      await reduceValues(engine, reduction, states, [1, real, 5], real),
    );
  }
  const maps = noise(2 * real * real);
  close(
    await withPadding(
      attentionReduction,
      spread(maps, first, 2, real),
      [1, 2, padded, padded],
      first,
    ),
    await reduceValues(engine, attentionReduction, maps, [1, 2, real, real], real),
  );
});
