import { z } from 'zod';
import { readConfig, WeightTable, type Architecture } from './architecture.ts';
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

const configSchema = z.object({
  dim: size,
  n_layers: size,
  n_heads: size,
  hidden_dim: size,
  max_position_embeddings: size,
  vocab_size: size,
  activation: activation.default('gelu'),
});

const epsilon = 1e-12;

/** DistilBERT (Sanh et al. 2019): BERT without token types and pooler. */
export const distilbert: Architecture = (config, weights) => {
  const fields = readConfig(configSchema, config);
  const { dim: d, n_heads: heads, hidden_dim: inner } = fields;
  const net = new Network('distilbert', new WeightTable(weights));
  const prefix = weightPrefix(weights.keys(), 'embeddings.word_embeddings.weight');
  const tower = new Tower(net, { weights: prefix, tokens: 'tokens' });
  const ids = net.input('input_ids', 'int64', ['batch', 'tokens']);
  const mask = net.input('attention_mask', 'int64', ['batch', 'tokens']);
  const at = 'embeddings';
  const words = tower.lookUp(`${at}.word_embeddings.weight`, [fields.vocab_size, d], ids);
  const places = [fields.max_position_embeddings, d];
  const place = tower.lookUp(`${at}.position_embeddings.weight`, places, positionsOf(net, ids));
  const embedded = tower.layerNorm(tower.add(words, place), `${at}.LayerNorm`, d, epsilon);
  let x = tower.hidden(embedded, at, d);

  const hide = hideUnless(net, realKeys(net, mask));
  const scale = 1 / Math.sqrt(headWidth(d, heads, 'n_heads'));
  for (let n = 0; n < fields.n_layers; n++) {
    const from = `transformer.layer.${n}`;
    const square = (part: string) => ({ name: `${from}.attention.${part}`, input: d, out: d });
    x = tower.postNormBlock(x, `layers.${n}`, {
      attention: {
        query: square('q_lin'),
        key: square('k_lin'),
        value: square('v_lin'),
        out: square('out_lin'),
        heads,
        scale,
        hide,
      },
      mlp: {
        up: [{ name: `${from}.ffn.lin1`, input: d, out: inner }],
        down: { name: `${from}.ffn.lin2`, input: inner, out: d },
        act: fields.activation,
      },
      norms: [`${from}.sa_layer_norm`, `${from}.output_layer_norm`],
      epsilon,
    });
  }
  return net.plan([x]);
};
