import { z } from 'zod';
import { readConfig, WeightTable, type ArchitecturePlan, type Weights } from './architecture.ts';
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
import { Network, type Node } from './network.ts';

/** The fields of `BertConfig` that decide what the encoder computes. */
export const bertConfig = z.object({
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  intermediate_size: size,
  max_position_embeddings: size,
  vocab_size: size,
  type_vocab_size: size.default(2),
  hidden_act: activation.default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-12),
  position_embedding_type: z.literal('absolute').default('absolute'),
  is_decoder: z.literal(false).default(false),
  add_cross_attention: z.literal(false).default(false),
});

/** What the members of the family do differently. */
interface Variant {
  /** Index of each token's position embedding: [tokens], or [batch, tokens]. */
  positions: (net: Network, ids: Node) => Node;
  /** Index of each token's type embedding. */
  types: (net: Network) => Node;
}

/**
 * The encoder of Devlin et al. (2019): everything up to the pooled output, without heads.
 * @throws Unsupported
 */
export function bertEncoder(
  config: z.infer<typeof bertConfig>,
  weights: Weights,
  { positions, types }: Variant,
): ArchitecturePlan {
  const { hidden_size: d, num_attention_heads: heads, layer_norm_eps: epsilon } = config;
  const net = new Network('bert', new WeightTable(weights));
  const prefix = weightPrefix(weights.keys(), 'embeddings.word_embeddings.weight');
  const tower = new Tower(net, { weights: prefix, tokens: 'tokens' });
  const ids = net.input('input_ids', 'int64', ['batch', 'tokens']);
  const mask = net.input('attention_mask', 'int64', ['batch', 'tokens']);
  const at = 'embeddings';
  const words = tower.lookUp(`${at}.word_embeddings.weight`, [config.vocab_size, d], ids);
  const kinds = [config.type_vocab_size, d];
  const kind = tower.lookUp(`${at}.token_type_embeddings.weight`, kinds, types(net));
  const places = [config.max_position_embeddings, d];
  const place = tower.lookUp(`${at}.position_embeddings.weight`, places, positions(net, ids));
  const sum = tower.add(tower.add(words, kind), place);
  let x = tower.hidden(tower.layerNorm(sum, `${at}.LayerNorm`, d, epsilon), at, d);

  const hide = hideUnless(net, realKeys(net, mask));
  const scale = 1 / Math.sqrt(headWidth(d, heads));
  for (let n = 0; n < config.num_hidden_layers; n++) {
    const from = `encoder.layer.${n}`;
    const square = (part: string) => ({ name: `${from}.${part}`, input: d, out: d });
    const inner = config.intermediate_size;
    x = tower.postNormBlock(x, `layers.${n}`, {
      attention: {
        query: square('attention.self.query'),
        key: square('attention.self.key'),
        value: square('attention.self.value'),
        out: square('attention.output.dense'),
        heads,
        scale,
        hide,
      },
      mlp: {
        up: [{ name: `${from}.intermediate.dense`, input: d, out: inner }],
        down: { name: `${from}.output.dense`, input: inner, out: d },
        act: config.hidden_act,
      },
      norms: [`${from}.attention.output.LayerNorm`, `${from}.output.LayerNorm`],
      epsilon,
    });
  }
  const pooled = tower.has('pooler.dense.weight') ? [tanhPooler(tower, x, d)] : [];
  return net.plan([x, ...pooled]);
}

/** The first token through a dense layer and tanh. */
export function tanhPooler(tower: Tower, x: Node, d: number): Node {
  const dense = tower.head(tower.first(x), { name: 'pooler.dense', input: d, out: d });
  return tower.features(tower.net.op('Tanh', [dense]), 'pooler', d, 'pooled output');
}

/** BERT (`BertModel` and `BertFor…`). */
export const bert = (
  config: Readonly<Record<string, unknown>>,
  weights: Weights,
): ArchitecturePlan =>
  bertEncoder(readConfig(bertConfig, config), weights, {
    positions: positionsOf,
    types: (net) => net.input('token_type_ids', 'int64', ['batch', 'tokens']),
  });
