import { z } from 'zod';
import { Unsupported } from '../architecture.ts';
import type { Network, Node } from '../network.ts';

/** Rotary position embeddings (Su et al. 2021) over the first `width` units of each head. */
export interface Rope {
  width: number;
  /** Angle per position of each of the width / 2 pairs. */
  frequencies: Float32Array;
  /** Other frequencies for texts of more than `after` tokens. */
  long?: { after: number; frequencies: Float32Array };
  /** Factor of the cosines and sines; 1 where absent. */
  magnitude?: number;
}

const positive = z.number().positive();

const scalingSchema = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: positive.optional(),
  partial_rotary_factor: positive.max(1).optional(),
  factor: positive.optional(),
  low_freq_factor: positive.optional(),
  high_freq_factor: positive.optional(),
  original_max_position_embeddings: positive.optional(),
  short_factor: z.array(positive).optional(),
  long_factor: z.array(positive).optional(),
  attention_factor: positive.nullish(),
});
type Scaling = z.infer<typeof scalingSchema>;

/** The fields of a config that decide the angles, in the old spelling and in that of version 5. */
export const ropeSchema = z.object({
  max_position_embeddings: positive.optional(),
  original_max_position_embeddings: positive.optional(),
  rope_theta: positive.optional(),
  partial_rotary_factor: positive.max(1).optional(),
  rope_scaling: scalingSchema.nullish(),
  rope_parameters: scalingSchema.nullish(),
});
type RopeConfig = z.infer<typeof ropeSchema>;

/**
 * The rotary embedding of a config, for heads of `headWidth` units.
 * @throws Unsupported for scalings other than `linear`, `llama3` and `longrope`.
 */
export function ropeOf(config: RopeConfig, headWidth: number): Rope {
  const field = config.rope_scaling ? 'rope_scaling' : 'rope_parameters';
  const scaling = config[field] ?? {};
  for (const [name, value] of Object.entries(scaling)) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const given = JSON.stringify(value);
      throw new Unsupported(`config.json has ${field}.${name} = ${given}, which is not supported`);
    }
  }
  const theta = scaling.rope_theta ?? config.rope_theta ?? 10_000;
  const part = scaling.partial_rotary_factor ?? config.partial_rotary_factor ?? 1;
  const width = Math.floor(headWidth * part);
  if (width === 0 || width % 2 !== 0) {
    throw new Unsupported(`config.json rotates ${width} units of each head, not an even number`);
  }
  // Rounded where transformers rounds: the angles of far positions depend on the last bits.
  const wavelengths = Float32Array.from(
    { length: width / 2 },
    (_, pair) => theta ** Math.fround((2 * pair) / width),
  );
  const frequencies = wavelengths.map((wavelength) => 1 / wavelength);
  const type = scaling.rope_type ?? scaling.type ?? 'default';
  const need: Need = (name, otherwise) => {
    const value = scaling[name] ?? otherwise;
    if (value === undefined) throw new Unsupported(`config.json has ${field} without ${name}`);
    return value as NonNullable<Scaling[typeof name]>;
  };
  const context = () =>
    config.original_max_position_embeddings ??
    need('original_max_position_embeddings', config.max_position_embeddings);
  switch (type) {
    case 'default':
      return { width, frequencies };
    case 'linear': {
      const factor = need('factor');
      return { width, frequencies: frequencies.map((frequency) => frequency / factor) };
    }
    case 'llama3': {
      const bounds = {
        factor: need('factor'),
        low: need('low_freq_factor'),
        high: need('high_freq_factor'),
        context: context(),
      };
      return { width, frequencies: frequencies.map((frequency) => llama3(frequency, bounds)) };
    }
    case 'longrope': {
      const after = context();
      const stretched = (name: 'short_factor' | 'long_factor') => {
        const factors = need(name);
        if (factors.length !== width / 2) {
          throw new Unsupported(
            `config.json has ${field}.${name} of ${factors.length} numbers, not of ${width / 2}`,
          );
        }
        return wavelengths.map((wavelength, i) => 1 / Math.fround(factors[i]! * wavelength));
      };
      const ratio = scaling.factor ?? (config.max_position_embeddings ?? after) / after;
      const magnitude = ratio <= 1 ? 1 : Math.sqrt(1 + Math.log(ratio) / Math.log(after));
      return {
        width,
        frequencies: stretched('short_factor'),
        long: { after, frequencies: stretched('long_factor') },
        magnitude: scaling.attention_factor ?? magnitude,
      };
    }
  }
  const spelled = scaling.rope_type === undefined ? 'type' : 'rope_type';
  throw new Unsupported(`config.json has ${field}.${spelled} = "${type}", which is not supported`);
}

/** A field of the scaling that its type cannot do without. */
type Need = <K extends keyof Scaling>(name: K, otherwise?: Scaling[K]) => NonNullable<Scaling[K]>;

/**
 * Llama 3.1's scaling: long waves are slowed by `factor`, short ones kept, those between mixed.
 */
function llama3(
  frequency: number,
  { factor, low, high, context }: { factor: number; low: number; high: number; context: number },
): number {
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength < context / high) return frequency;
  if (wavelength > context / low) return frequency / factor;
  const kept = (context / wavelength - low) / (high - low);
  return ((1 - kept) * frequency) / factor + kept * frequency;
}

/** Cosines and sines of every token's angles, each [batch, 1, tokens, width / 2]. */
export interface Rotation {
  width: number;
  cos: Node;
  sin: Node;
}

/** The rotation for int64 positions [batch, tokens]. */
export function rotationAt(net: Network, positions: Node, rope: Rope): Rotation {
  const { width, magnitude = 1 } = rope;
  const column = net.op('Unsqueeze', [positions, net.ints(1, 3)]);
  const place = net.op('Cast', [column], { to: { to: 'float32' } });
  const angles = net.op('Mul', [place, frequenciesAt(net, column, rope)]);
  const sized = (wave: Node) =>
    magnitude === 1 ? wave : net.op('Mul', [wave, net.scalar(magnitude)]);
  return { width, cos: sized(net.op('Cos', [angles])), sin: sized(net.op('Sin', [angles])) };
}

/** The frequencies, of each text by its own length where that matters. */
function frequenciesAt(net: Network, positions: Node, { frequencies, long }: Rope): Node {
  const usual = net.constant(frequencies);
  if (long === undefined) return usual;
  const last = net.op('ReduceMax', [positions, net.ints(2)], { keepdims: 1 });
  const isLong = net.op('GreaterOrEqual', [last, net.ints(long.after)]);
  return net.op('Where', [isLong, net.constant(long.frequencies), usual]);
}

/** Rotate queries or keys [batch, heads, tokens, headWidth]; unit i is paired with i + width / 2. */
export function rotate(
  net: Network,
  x: Node,
  { width, cos, sin }: Rotation,
  headWidth: number,
): Node {
  const half = width / 2;
  const first = net.slice(x, 0, half, -1);
  const second = net.slice(x, half, width, -1);
  const mul = (a: Node, b: Node) => net.op('Mul', [a, b]);
  const parts = [
    net.op('Sub', [mul(first, cos), mul(second, sin)]),
    net.op('Add', [mul(second, cos), mul(first, sin)]),
  ];
  if (width < headWidth) parts.push(net.slice(x, width, headWidth, -1));
  return net.op('Concat', parts, { axis: -1 });
}
