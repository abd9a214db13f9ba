import { z } from 'zod';
import { readConfig, type Architecture } from './architecture.ts';
import { planDecoder, type DecoderLayer } from './blocks/decoder.ts';
import { rmsDecoder, rmsDecoderSchema } from './blocks/rms-decoder.ts';
import { size, weightPrefix } from './encoder.ts';

/** The fields of `Phi3Config` that decide what the model computes. */
const configSchema = rmsDecoderSchema.extend({
  rms_norm_eps: z.number().positive().default(1e-5),
  sliding_window: size.nullish(),
  original_max_position_embeddings: size.default(4096),
});

/** Phi-3 (Abdin et al. 2024) and Phi-4: Llama with joined projections, part of each head rotated. */
export const phi3: Architecture = (config, weights) => {
  const fields = readConfig(configSchema, config);
  const prefix = weightPrefix(weights.keys(), 'embed_tokens.weight');
  const { shape, rope, norm, dense } = rmsDecoder(fields, prefix);
  const { hidden_size: d, intermediate_size: inner } = fields;
  const { heads, keyHeads, width } = shape;
  const layer = (n: number): DecoderLayer => {
    const at = `layers.${n}`;
    return {
      attentionNorm: norm(`${at}.input_layernorm`),
      projection: {
        kind: 'joined',
        all: dense(`${at}.self_attn.qkv_proj`, d, (heads + 2 * keyHeads) * width),
      },
      scale: 1 / Math.sqrt(width),
      window: fields.sliding_window ?? undefined,
      output: dense(`${at}.self_attn.o_proj`, heads * width, d),
      mlpNorm: norm(`${at}.post_attention_layernorm`),
      expansion: { kind: 'joined', all: dense(`${at}.mlp.gate_up_proj`, d, 2 * inner) },
      activation: fields.hidden_act,
      contraction: dense(`${at}.mlp.down_proj`, inner, d),
    };
  };
  const words = `${prefix}embed_tokens.weight`;
  return planDecoder(
    {
      name: 'phi3',
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
};
