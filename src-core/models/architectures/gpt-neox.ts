import { z } from 'zod';
import { readConfig, type Architecture } from './architecture.ts';
import { planDecoder, type DecoderLayer } from './blocks/decoder.ts';
import type { Norm } from './blocks/norms.ts';
import { ropeOf, ropeSchema } from './blocks/rope.ts';
import { activation, headWidth, size, weightPrefix } from './encoder.ts';

/** The fields of `GPTNeoXConfig` that decide what the model computes. */
const configSchema = z.object({
  vocab_size: size,
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  intermediate_size: size,
  hidden_act: activation.default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-5),
  use_parallel_residual: z.boolean().default(true),
  attention_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(false),
  rotary_pct: z.number().positive().max(1).default(0.25),
  rotary_emb_base: z.number().positive().default(10_000),
  ...ropeSchema.shape,
});

/** GPT-NeoX (Black et al. 2022) and Pythia: attention and MLP side by side, part of each head rotated. */
export const gptNeox: Architecture = (config, weights) => {
  const fields = readConfig(configSchema, config);
  const { hidden_size: d, num_attention_heads: heads, intermediate_size: inner } = fields;
  const prefix = weightPrefix(weights.keys(), 'embed_in.weight');
  const width = headWidth(d, heads);
  const rope = ropeOf(
    { ...fields, partial_rotary_factor: fields.rotary_pct, rope_theta: fields.rotary_emb_base },
    width,
  );
  const norm = (part: string): Norm => ({
    name: prefix + part,
    width: d,
    kind: 'layer',
    epsilon: fields.layer_norm_eps,
  });
  const layer = (n: number): DecoderLayer => {
    const at = `layers.${n}`;
    const dense = (part: string, input: number, out: number, bias = true) => ({
      name: `${prefix}${at}.${part}`,
      input,
      out,
      bias,
    });
    const bias = fields.attention_bias;
    return {
      attentionNorm: norm(`${at}.input_layernorm`),
      projection: {
        kind: 'interleaved',
        all: dense('attention.query_key_value', d, 3 * d, bias),
      },
      scale: 1 / Math.sqrt(width),
      output: dense('attention.dense', d, d, bias),
      mlpNorm: norm(`${at}.post_attention_layernorm`),
      expansion: { kind: 'plain', up: dense('mlp.dense_h_to_4h', d, inner) },
      activation: fields.hidden_act,
      contraction: dense('mlp.dense_4h_to_h', inner, d),
      parallel: fields.use_parallel_residual,
    };
  };
  const words = `${prefix}embed_in.weight`;
  return planDecoder(
    {
      name: 'gpt_neox',
      width: d,
      shape: { heads, keyHeads: heads, width },
      words: { name: words, rows: fields.vocab_size },
      rope,
      layers: Array.from({ length: fields.num_hidden_layers }, (_, n) => layer(n)),
      finalNorm: norm('final_layer_norm'),
      head: ['embed_out.weight', 'lm_head.weight', ...(fields.tie_word_embeddings ? [words] : [])],
    },
    weights,
  );
};
