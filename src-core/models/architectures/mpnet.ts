import { z } from 'zod';
import { readConfig, WeightTable, type Architecture } from './architecture.ts';
import { tanhPooler } from './bert.ts';
import {
  activation,
  headWidth,
  hideUnless,
  positionsOf,
  realKeys,
  size,
  Tower,
  weightPrefix,
} from './encoder.ts';
import { Network } from './network.ts';
import { relativeBias } from './relative-bias.ts';
import { positionsAfterPadding } from './roberta.ts';

/** The number that the published code has for both; no field of the config changes it. */
const padding = 1;
const furthest = 128;

const configSchema = z.object({
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  intermediate_size: size,
  max_position_embeddings: size,
  vocab_size: size,
  hidden_act: activation.default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-12),
  // The published code buckets distances into 32 whatever the config says.
  relative_attention_num_buckets: z.literal(32).default(32),
});

/** MPNet (Song et al. 2020): a BERT whose scores hold a bias by relative position. */
export const mpnet: Architecture = (config, weights) => {
  const fields = readConfig(configSchema, config);
  const { hidden_size: d, num_attention_heads: heads, layer_norm_eps: epsilon } = fields;
  const net = new Network('mpnet', new WeightTable(weights));
  const prefix = weightPrefix(weights.keys(), 'embeddings.word_embeddings.weight');
  const tower = new Tower(net, { weights: prefix, tokens: 'tokens' });
  const ids = net.input('input_ids', 'int64', ['batch', 'tokens']);
  const mask = net.input('attention_mask', 'int64', ['batch', 'tokens']);
  const words = tower.lookUp('embeddings.word_embeddings.weight', [fields.vocab_size, d], ids);
  const place = tower.lookUp(
    'embeddings.position_embeddings.weight',
    [fields.max_position_embeddings, d],
    positionsAfterPadding(net, ids, padding),
  );
  const sum = tower.add(words, place);
  let x = tower.hidden(tower.layerNorm(sum, 'embeddings.LayerNorm', d, epsilon), 'embeddings', d);

  const buckets = fields.relative_attention_num_buckets;
  const bias = relativeBias(
    net,
    (rows) => tower.lookUp('encoder.relative_attention_bias.weight', [buckets, heads], rows),
    positionsOf(net, ids),
    { buckets, furthest },
  );
  const hide = hideUnless(net, realKeys(net, mask));
  const scale = 1 / Math.sqrt(headWidth(d, heads));
  for (let n = 0; n < fields.num_hidden_layers; n++) {
    const from = `encoder.layer.${n}`;
    const square = (part: string) => ({ name: `${from}.attention.attn.${part}`, input: d, out: d });
    const inner = fields.intermediate_size;
    x = tower.postNormBlock(x, `layers.${n}`, {
      attention: {
        query: square('q'),
        key: square('k'),
        value: square('v'),
        out: square('o'),
        heads,
        scale,
        bias,
        hide,
      },
      mlp: {
        up: [{ name: `${from}.intermediate.dense`, input: d, out: inner }],
        down: { name: `${from}.output.dense`, input: inner, out: d },
        act: fields.hidden_act,
      },
      norms: [`${from}.attention.LayerNorm`, `${from}.output.LayerNorm`],
      epsilon,
    });
  }
  const pooled = tower.has('pooler.dense.weight') ? [tanhPooler(tower, x, d)] : [];
  return net.plan([x, ...pooled]);
};
