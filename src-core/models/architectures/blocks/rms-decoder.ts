import { z } from 'zod';
import { Unsupported } from '../architecture.ts';
import { activation, headWidth, size } from '../encoder.ts';
import type { Dense } from './dense.ts';
import type { Norm } from './norms.ts';
import { ropeOf, ropeSchema, type Rope } from './rope.ts';

/** Which layers see everything before them, and which through a window. */
export const layerTypesSchema = z.array(z.enum(['full_attention', 'sliding_attention'])).nullish();

/** The fields that Llama and its descendants share. */
export const rmsDecoderSchema = z.object({
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  hidden_act: activation.default('silu'),
  rms_norm_eps: z.number().positive().default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
  ...ropeSchema.shape,
});
type Fields = z.infer<typeof rmsDecoderSchema>;

/** What those fields come to, and the names of tensors under the prefix of the checkpoint. */
export interface RmsDecoder {
  prefix: string;
  fields: Fields;
  shape: { heads: number; keyHeads: number; width: number };
  rope: Rope;
  norm: (part: string, width?: number) => Norm;
  dense: (part: string, input: number, out: number, bias?: boolean) => Dense;
}

/** @throws Unsupported where the fields contradict one another. */
export function rmsDecoder(fields: Fields, prefix: string, fromOne = false): RmsDecoder {
  const heads = fields.num_attention_heads;
  const width = fields.head_dim ?? headWidth(fields.hidden_size, heads);
  return {
    prefix,
    fields,
    shape: { heads, keyHeads: fields.num_key_value_heads ?? heads, width },
    rope: ropeOf(fields, width),
    norm: (part, units = fields.hidden_size) => ({
      name: prefix + part,
      width: units,
      kind: 'rms',
      epsilon: fields.rms_norm_eps,
      fromOne,
    }),
    dense: (part, input, out, bias = false) => ({ name: prefix + part, input, out, bias }),
  };
}

/** @throws Unsupported where only part of each head would be rotated: these models rotate it all. */
export function requireWholeRotation({ rope, shape }: RmsDecoder): void {
  if (rope.width === shape.width) return;
  throw new Unsupported(
    `config.json has partial_rotary_factor = ${rope.width / shape.width}, which is not supported`,
  );
}

/**
 * The window of each of `count` layers, none where it sees everything before it; `slides` tells which
 * have one where `types` does not.
 * @throws Unsupported where `layer_types` leaves layers out.
 */
export function windowsOf(
  types: z.infer<typeof layerTypesSchema>,
  count: number,
  window: number | null | undefined,
  slides: (layer: number) => boolean,
): (number | undefined)[] {
  if (types && types.length !== count) {
    throw new Unsupported(
      `config.json has layer_types for ${types.length} layers and num_hidden_layers = ${count}`,
    );
  }
  return Array.from({ length: count }, (_, n) => {
    const sliding = types ? types[n] === 'sliding_attention' : slides(n);
    return sliding ? (window ?? undefined) : undefined;
  });
}
