import { z } from 'zod';
import { readConfig, type Architecture, type Weights } from './architecture.ts';
import { planDecoder, type DecoderLayer } from './blocks/decoder.ts';
import {
  requireWholeRotation,
  rmsDecoder,
  layerTypesSchema,
  rmsDecoderSchema,
  windowsOf,
} from './blocks/rms-decoder.ts';
import { size, weightPrefix } from './encoder.ts';

const llamaSchema = rmsDecoderSchema.extend({
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
});

const mistralSchema = rmsDecoderSchema.extend({
  sliding_window: size.nullable().default(4096),
});

const qwenSchema = rmsDecoderSchema.extend({
  use_sliding_window: z.boolean().default(false),
  sliding_window: size.nullable().default(4096),
  max_window_layers: z.int().nonnegative().default(28),
  layer_types: layerTypesSchema,
});

const qwen3Schema = qwenSchema.extend({
  head_dim: size.default(128),
  attention_bias: z.boolean().default(false),
});

/** What the members of the family do differently. */
interface Variant {
  name: string;
  /** Whether dense layers have biases: those of q, k and v; attention's output; the MLP's. */
  bias?: { qkv?: boolean; output?: boolean; mlp?: boolean };
  /** RMS norms over each head of the queries and keys. */
  headNorms?: boolean;
  /** The window of a layer. */
  window?: (layer: number) => number | undefined;
}

function family(
  fields: z.infer<typeof rmsDecoderSchema>,
  weights: Weights,
  { name, bias = {}, headNorms = false, window }: Variant,
) {
  const prefix = weightPrefix(weights.keys(), 'embed_tokens.weight');
  const parts = rmsDecoder(fields, prefix);
  requireWholeRotation(parts);
  const { shape, rope, norm, dense } = parts;
  const { hidden_size: d, intermediate_size: inner } = fields;
  const [across, keys] = [shape.heads * shape.width, shape.keyHeads * shape.width];
  const layer = (n: number): DecoderLayer => {
    const [attention, mlp] = [`layers.${n}.self_attn`, `layers.${n}.mlp`];
    return {
      attentionNorm: norm(`layers.${n}.input_layernorm`),
      projection: {
        kind: 'separate',
        q: dense(`${attention}.q_proj`, d, across, bias.qkv),
        k: dense(`${attention}.k_proj`, d, keys, bias.qkv),
        v: dense(`${attention}.v_proj`, d, keys, bias.qkv),
      },
      ...(headNorms
        ? {
            queryNorm: norm(`${attention}.q_norm`, shape.width),
            keyNorm: norm(`${attention}.k_norm`, shape.width),
          }
        : {}),
      scale: 1 / Math.sqrt(shape.width),
      window: window?.(n),
      output: dense(`${attention}.o_proj`, across, d, bias.output),
      mlpNorm: norm(`layers.${n}.post_attention_layernorm`),
      expansion: {
        kind: 'gated',
        gate: dense(`${mlp}.gate_proj`, d, inner, bias.mlp),
        up: dense(`${mlp}.up_proj`, d, inner, bias.mlp),
      },
      activation: fields.hidden_act,
      contraction: dense(`${mlp}.down_proj`, inner, d, bias.mlp),
    };
  };
  const words = `${prefix}embed_tokens.weight`;
  return planDecoder(
    {
      name,
      width: d,
      shape,
      words: { name: words, rows: fields.vocab_size },
      rope,
      layers: Array.from({ length: fields.num_hidden_layers }, (_, n) => layer(n)),
      finalNorm: norm('norm'),
      head: ['lm_head.weight', ...(fields.tie_word_embeddings ? [words] : [])],
    },
    weights,
  );
}

/** Llama (Touvron et al. 2023), its second and third generation included. */
export const llama: Architecture = (config, weights) => {
  const fields = readConfig(llamaSchema, config);
  const { attention_bias: attention, mlp_bias: mlp } = fields;
  const bias = { qkv: attention, output: attention, mlp };
  return family(fields, weights, { name: 'llama', bias });
};

/** Mistral 7B (Jiang et al. 2023): Llama with a sliding window. */
export const mistral: Architecture = (config, weights) => {
  const fields = readConfig(mistralSchema, config);
  const window = fields.sliding_window ?? undefined;
  return family(fields, weights, { name: 'mistral', window: () => window });
};

function qwenWindow(fields: z.infer<typeof qwenSchema>): (layer: number) => number | undefined {
  const windows = windowsOf(
    fields.layer_types,
    fields.num_hidden_layers,
    fields.use_sliding_window ? fields.sliding_window : undefined,
    (n) => n >= fields.max_window_layers,
  );
  return (layer) => windows[layer];
}

/** Qwen2 and Qwen2.5 (Yang et al. 2024): Llama with biases of queries, keys and values. */
export const qwen2: Architecture = (config, weights) => {
  const fields = readConfig(qwenSchema, config);
  const window = qwenWindow(fields);
  return family(fields, weights, { name: 'qwen2', bias: { qkv: true }, window });
};

/** Qwen3 (Yang et al. 2025): Llama with RMS norms over the heads of queries and keys. */
export const qwen3: Architecture = (config, weights) => {
  const fields = readConfig(qwen3Schema, config);
  const { attention_bias: attention } = fields;
  return family(fields, weights, {
    name: 'qwen3',
    bias: { qkv: attention, output: attention },
    headNorms: true,
    window: qwenWindow(fields),
  });
};
