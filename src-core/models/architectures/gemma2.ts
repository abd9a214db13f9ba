import { z } from 'zod';
import { readConfig, type Architecture } from './architecture.ts';
import { planDecoder, type DecoderLayer } from './blocks/decoder.ts';
import {
  requireWholeRotation,
  rmsDecoder,
  layerTypesSchema,
  rmsDecoderSchema,
  windowsOf,
} from './blocks/rms-decoder.ts';
import { activation, size, weightPrefix } from './encoder.ts';

const positive = z.number().positive();

/** The fields of `Gemma2Config` that decide what the model computes. */
const configSchema = rmsDecoderSchema.extend({
  head_dim: size.default(256),
  hidden_activation: activation.default('gelu_pytorch_tanh'),
  query_pre_attn_scalar: positive.default(256),
  attention_bias: z.boolean().default(false),
  attn_logit_softcapping: positive.nullable().default(50),
  final_logit_softcapping: positive.nullable().default(30),
  sliding_window: size.nullable().default(4096),
  tie_word_embeddings: z.boolean().default(true),
  layer_types: layerTypesSchema,
  use_bidirectional_attention: z.literal(false).nullish(),
});

/**
 * Gemma 2 (Gemma Team 2024): norms before and after each part, soft-capped scores and logits, every
 * other layer with a sliding window.
 */
export const gemma2: Architecture = (config, weights) => {
  const fields = readConfig(configSchema, config);
  const prefix = weightPrefix(weights.keys(), 'embed_tokens.weight');
  const parts = rmsDecoder(fields, prefix, true);
  requireWholeRotation(parts);
  const { shape, rope, norm, dense } = parts;
  const { hidden_size: d, intermediate_size: inner, attention_bias: bias } = fields;
  const [across, keys] = [shape.heads * shape.width, shape.keyHeads * shape.width];
  const windows = windowsOf(
    fields.layer_types,
    fields.num_hidden_layers,
    fields.sliding_window,
    (n) => n % 2 === 0,
  );
  const layer = (n: number): DecoderLayer => {
    const at = `layers.${n}`;
    const [attention, mlp] = [`${at}.self_attn`, `${at}.mlp`];
    return {
      attentionNorm: norm(`${at}.input_layernorm`),
      projection: {
        kind: 'separate',
        q: dense(`${attention}.q_proj`, d, across, bias),
        k: dense(`${attention}.k_proj`, d, keys, bias),
        v: dense(`${attention}.v_proj`, d, keys, bias),
      },
      scale: 1 / Math.sqrt(fields.query_pre_attn_scalar),
      cap: fields.attn_logit_softcapping ?? undefined,
      window: windows[n],
      output: dense(`${attention}.o_proj`, across, d, bias),
      attentionOutputNorm: norm(`${at}.post_attention_layernorm`),
      mlpNorm: norm(`${at}.pre_feedforward_layernorm`),
      expansion: {
        kind: 'gated',
        gate: dense(`${mlp}.gate_proj`, d, inner),
        up: dense(`${mlp}.up_proj`, d, inner),
      },
      activation: fields.hidden_activation,
      contraction: dense(`${mlp}.down_proj`, inner, d),
      mlpOutputNorm: norm(`${at}.post_feedforward_layernorm`),
    };
  };
  const words = `${prefix}embed_tokens.weight`;
  return planDecoder(
    {
      name: 'gemma2',
      width: d,
      shape,
      words: { name: words, rows: fields.vocab_size },
      wordScale: Math.sqrt(d),
      rope,
      layers: Array.from({ length: fields.num_hidden_layers }, (_, n) => layer(n)),
      finalNorm: norm('norm'),
      head: ['lm_head.weight', ...(fields.tie_word_embeddings ? [words] : [])],
      logitCap: fields.final_logit_softcapping ?? undefined,
    },
    weights,
  );
};
