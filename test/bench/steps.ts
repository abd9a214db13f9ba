// The longest that each analysis works without letting a cancel in, on Gaussian data of a size that
// takes a while. Run: node test/bench/steps.ts [samples] [units] [seconds of each] [ids…]
import { Random } from '../../src-core/analyses/random.ts';
import { analyses, parseParams } from '../../src-core/analyses/registry.ts';
import type { AnalysisDefinition, Side } from '../../src-core/analyses/definition.ts';
import { createEngine } from '../../src-core/engine/device-engine.ts';
import { Cancelled } from '../../src-core/errors.ts';
import { defaultMemoryLimit } from '../../src-core/jobs/messages.ts';
import { Matrix } from '../../src-core/tensor/matrix.ts';
import { openMatrix } from '../../src-core/tensor/matrix-file.ts';

const [samples = '4000', units = '512', limit = '20', ...chosen] = process.argv.slice(2);
const [n, d, seconds] = [Number(samples), Number(units), Number(limit)];
const engine = await createEngine('cpu');

function side(name: string, seed: number): Side {
  const random = new Random(seed);
  const data = Float32Array.from({ length: n * d }, () => random.gaussian());
  const layer = Object.assign(new Matrix(n, d, data), { label: name });
  return {
    name,
    layered: false,
    layers: [layer],
    labels: Array.from({ length: n }, (_, row) => String(row % 10)),
  };
}
const sides = [side('a', 1), side('b', 2), side('c', 3)];

interface Stretch {
  /** Milliseconds by the clock, and of the processor where that is less: other work is not counted. */
  longest: number;
  before: string;
  ended: string;
}

async function longestStretch(
  definition: AnalysisDefinition,
  params: Record<string, unknown>,
): Promise<Stretch> {
  let [clock, busy] = [performance.now(), process.cpuUsage()];
  const begun = clock;
  const found: Stretch = { longest: 0, before: '', ended: 'done' };
  const note = (message: string) => {
    const { user, system } = process.cpuUsage(busy);
    const took = Math.min(performance.now() - clock, (user + system) / 1000);
    if (took > found.longest) Object.assign(found, { longest: took, before: message });
    [clock, busy] = [performance.now(), process.cpuUsage()];
  };
  try {
    await definition.run(
      sides.slice(0, definition.arity === 1 ? 1 : 2),
      parseParams(definition, params),
      {
        engine,
        warn: () => undefined,
        open: (spec) => openMatrix(spec, process.cwd()),
        memoryLimit: defaultMemoryLimit,
        step: (fraction, message = definition.title) => {
          note(`${message} ${fraction.toFixed(2)}`);
          if (performance.now() - begun > 1000 * seconds) return Promise.reject(new Cancelled());
          return new Promise((resolve) => setImmediate(resolve));
        },
      },
    );
    note('the end');
  } catch (error) {
    found.ended = error instanceof Cancelled ? 'stopped' : (error as Error).message.slice(0, 80);
  }
  return found;
}

for (const definition of analyses) {
  if (chosen.length > 0 && !chosen.includes(definition.id)) continue;
  const drawn = ['permutations', 'bootstrap'].filter((name) => name in definition.params.shape);
  const variants = [{}, ...drawn.map((name) => ({ [name]: 20 }))];
  for (const params of variants) {
    const { longest, before, ended } = await longestStretch(definition, params);
    process.stdout.write(
      `${longest.toFixed(0).padStart(6)} ms  ${definition.id} ${JSON.stringify(params)} before "${before}": ${ended}\n`,
    );
  }
}
