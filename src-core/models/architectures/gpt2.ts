import { z } from 'zod';
import { readConfig, type Architecture } from './architecture.ts';
import { planDecoder, type DecoderLayer } from './blocks/decoder.ts';
import type { Norm } from './blocks/norms.ts';
import { activation, headWidth, size, weightPrefix } from './encoder.ts';

/** The fields of `GPT2Config` that decide what the model computes. */
const configSchema = z.object({
  vocab_size: size,
  n_positions: size,
  n_embd: size,
  n_layer: size,
  n_head: size,
  n_inner: size.nullish(),
  activation_function: activation.default('gelu_new'),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
  add_cross_attention: z.literal(false).default(false),
  tie_word_embeddings: z.boolean().default(true),
});

/** GPT-2 (Radford et al. 2019), whose Conv1D layers keep their matrices as [in, out]. */
export const gpt2: Architecture = (config, weights) => {
  const fields = readConfig(configSchema, config);
  const { n_embd: d, n_head: heads, vocab_size: vocabulary } = fields;
  const prefix = weightPrefix(weights.keys(), 'wte.weight');
  const width = headWidth(d, heads, 'n_head');
  const inner = fields.n_inner ?? 4 * d;
  const norm = (part: string): Norm => ({
    name: prefix + part,
    width: d,
    kind: 'layer',
    epsilon: fields.layer_norm_epsilon,
  });
  const layer = (n: number): DecoderLayer => {
    const at = `h.${n}`;
    const conv = (part: string, input: number, out: number) =>
      ({ name: `${prefix}${at}.${part}`, input, out, bias: true, layout: 'in-out' }) as const;
    const byDepth = fields.scale_attn_by_inverse_layer_idx ? n + 1 : 1;
    return {
      attentionNorm: norm(`${at}.ln_1`),
      projection: { kind: 'joined', all: conv('attn.c_attn', d, 3 * d) },
      scale: (fields.scale_attn_weights ? 1 / Math.sqrt(width) : 1) / byDepth,
      output: conv('attn.c_proj', d, d),
      mlpNorm: norm(`${at}.ln_2`),
      expansion: { kind: 'plain', up: conv('mlp.c_fc', d, inner) },
      activation: fields.activation_function,
      contraction: conv('mlp.c_proj', inner, d),
    };
  };
  const words = `${prefix}wte.weight`;
  return planDecoder(
    {
      name: 'gpt2',
      width: d,
      shape: { heads, keyHeads: heads, width },
      words: { name: words, rows: vocabulary },
      positions: { name: `${prefix}wpe.weight`, rows: fields.n_positions },
      layers: Array.from({ length: fields.n_layer }, (_, n) => layer(n)),
      finalNorm: norm('ln_f'),
      head: ['lm_head.weight', ...(fields.tie_word_embeddings ? [words] : [])],
    },
    weights,
  );
};
