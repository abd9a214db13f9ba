import { z } from 'zod';
import { readConfig, WeightTable, type Architecture } from './architecture.ts';
import { activate, activation, headWidth, size, Tower, weightPrefix } from './encoder.ts';
import { Network } from './network.ts';
import { embedPatches, imageFields, imageGrid, pixelInput } from './patches.ts';

const configSchema = z.object({
  ...imageFields,
  image_size: imageFields.image_size.default(224),
  patch_size: imageFields.patch_size.default(16),
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  intermediate_size: size,
  hidden_act: activation.default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-12),
  qkv_bias: z.boolean().default(true),
  pooler_output_size: size.nullish(),
  pooler_act: activation.default('tanh'),
});

/** Vision transformers (Dosovitskiy et al. 2021), with their pooler or classifier where they have one. */
export const vit: Architecture = (config, weights) => {
  const fields = readConfig(configSchema, config);
  const { hidden_size: d, num_attention_heads: heads, layer_norm_eps: epsilon } = fields;
  const grid = imageGrid(fields);
  const tokens = 1 + grid.patches;
  const net = new Network('vit', new WeightTable(weights));
  const prefix = weightPrefix(weights.keys(), 'embeddings.patch_embeddings.projection.weight');
  const tower = new Tower(net, { weights: prefix, tokens });
  const embedded = embedPatches(tower, pixelInput(net, grid), grid, {
    width: d,
    projection: 'embeddings.patch_embeddings.projection',
    bias: true,
    classToken: { name: 'embeddings.cls_token', shape: [1, 1, d] },
    positions: { name: 'embeddings.position_embeddings', shape: [1, tokens, d] },
  });
  let x = tower.hidden(embedded, 'embeddings', d);

  const inner = fields.intermediate_size;
  const scale = 1 / Math.sqrt(headWidth(d, heads));
  for (let n = 0; n < fields.num_hidden_layers; n++) {
    const from = `encoder.layer.${n}`;
    const square = (part: string, bias = true) => ({
      name: `${from}.attention.${part}`,
      input: d,
      out: d,
      bias,
    });
    x = tower.preNormBlock(x, `layers.${n}`, {
      attention: {
        query: square('attention.query', fields.qkv_bias),
        key: square('attention.key', fields.qkv_bias),
        value: square('attention.value', fields.qkv_bias),
        out: square('output.dense'),
        heads,
        scale,
      },
      mlp: {
        up: [{ name: `${from}.intermediate.dense`, input: d, out: inner }],
        down: { name: `${from}.output.dense`, input: inner, out: d },
        act: fields.hidden_act,
      },
      norms: [`${from}.layernorm_before`, `${from}.layernorm_after`],
      epsilon,
    });
  }
  const final = tower.hidden(tower.layerNorm(x, 'layernorm', d, epsilon), 'ln_final', d);
  const outputs = [final];
  if (tower.has('pooler.dense.weight')) {
    const out = fields.pooler_output_size ?? d;
    const dense = tower.head(tower.first(final), { name: 'pooler.dense', input: d, out });
    const pooled = activate(net, dense, fields.pooler_act);
    outputs.push(tower.features(pooled, 'pooler', out, 'pooled output'));
  }
  const classes = weights.get('classifier.weight')?.shape[0];
  if (classes !== undefined) {
    const whole = new Tower(net, { weights: '', tokens });
    const head = { name: 'classifier', input: d, out: classes };
    outputs.push(whole.features(whole.head(whole.first(final), head), 'logits', classes, 'logits'));
  }
  return net.plan(outputs);
};
