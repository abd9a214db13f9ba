import { z } from 'zod';
import { readConfig, Unsupported, WeightTable, type Architecture } from './architecture.ts';
import {
  hideUnless,
  positionsOf,
  realKeys,
  size,
  Tower,
  type Activation,
  type Dense,
  weightPrefix,
} from './encoder.ts';
import { Network } from './network.ts';
import { relativeBias } from './relative-bias.ts';

/** `feed_forward_proj`: the activation, and whether it gates. `gated-gelu` has always meant tanh's. */
const feedForward = {
  relu: { act: 'relu', gated: false },
  gelu: { act: 'gelu', gated: false },
  gelu_new: { act: 'gelu_new', gated: false },
  silu: { act: 'silu', gated: false },
  'gated-gelu': { act: 'gelu_new', gated: true },
  'gated-relu': { act: 'relu', gated: true },
  'gated-silu': { act: 'silu', gated: true },
} as const satisfies Record<string, { act: Activation; gated: boolean }>;

const configSchema = z.object({
  d_model: size,
  d_kv: size,
  d_ff: size,
  num_layers: size,
  num_heads: size,
  vocab_size: size,
  relative_attention_num_buckets: z.int().min(4).default(32),
  relative_attention_max_distance: z.int().max(65_536).default(128),
  layer_norm_epsilon: z.number().positive().default(1e-6),
  feed_forward_proj: z
    .literal(Object.keys(feedForward) as (keyof typeof feedForward)[])
    .default('relu'),
});

/** The encoder of T5 (Raffel et al. 2020) and mT5; a decoder in the checkpoint is left alone. */
export const t5: Architecture = (config, weights) => {
  const fields = readConfig(configSchema, config);
  const { d_model: d, num_heads: heads, layer_norm_epsilon: epsilon } = fields;
  const net = new Network('t5', new WeightTable(weights));
  const prefix = weightPrefix(weights.keys(), 'encoder.final_layer_norm.weight');
  const tower = new Tower(net, { weights: prefix, tokens: 'tokens' });
  const ids = net.input('input_ids', 'int64', ['batch', 'tokens']);
  const mask = net.input('attention_mask', 'int64', ['batch', 'tokens']);
  const table = tower.has('shared.weight') ? 'shared.weight' : 'encoder.embed_tokens.weight';
  const words = tower.lookUp(table, [fields.vocab_size, d], ids);
  let x = tower.hidden(words, 'embeddings', d);

  const first = 'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight';
  const buckets = fields.relative_attention_num_buckets;
  const furthest = fields.relative_attention_max_distance;
  if (furthest <= buckets / 4) {
    throw new Unsupported(
      `config.json has relative_attention_max_distance = ${furthest}, which is too small for ${buckets} buckets`,
    );
  }
  const bias = relativeBias(
    net,
    (rows) => tower.lookUp(first, [buckets, heads], rows),
    positionsOf(net, ids),
    { buckets, furthest },
  );
  const hide = hideUnless(net, realKeys(net, mask));
  const inner = heads * fields.d_kv;
  const { act, gated } = feedForward[fields.feed_forward_proj];
  for (let n = 0; n < fields.num_layers; n++) {
    const from = `encoder.block.${n}`;
    const name = `layers.${n}`;
    const dense = (part: string, input: number, out: number): Dense => ({
      name: `${from}.${part}`,
      input,
      out,
      bias: false,
    });
    const project = (letter: string) => dense(`layer.0.SelfAttention.${letter}`, d, inner);
    tower.enter(x, name, d);
    const read = tower.rmsNorm(x, `${from}.layer.0.layer_norm`, d, epsilon);
    const attended = tower.attention(read, name, {
      query: project('q'),
      key: project('k'),
      value: project('v'),
      out: dense('layer.0.SelfAttention.o', inner, d),
      heads,
      scale: 1,
      bias,
      hide,
    });
    const mid = tower.hidden(tower.add(attended, x), `${name}.resid_mid`, d, 'residual');
    const up = (letter: string) => dense(`layer.1.DenseReluDense.${letter}`, d, fields.d_ff);
    const down = tower.mlp(tower.rmsNorm(mid, `${from}.layer.1.layer_norm`, d, epsilon), name, {
      up: gated ? [up('wi_0'), up('wi_1')] : [up('wi')],
      down: dense('layer.1.DenseReluDense.wo', fields.d_ff, d),
      act,
    });
    x = tower.hidden(tower.add(down, mid), `${name}.resid_post`, d);
  }
  const final = tower.rmsNorm(x, 'encoder.final_layer_norm', d, epsilon);
  return net.plan([tower.hidden(final, 'ln_final', d)]);
};
