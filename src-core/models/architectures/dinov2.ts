import { z } from 'zod';
import { readConfig, Unsupported, WeightTable, type Architecture } from './architecture.ts';
import { activation, headWidth, size, Tower, weightPrefix, type Dense } from './encoder.ts';
import { Network } from './network.ts';
import { embedPatches, imageFields, imageGrid, pixelInput } from './patches.ts';

const configSchema = z.object({
  ...imageFields,
  image_size: imageFields.image_size.default(224),
  patch_size: imageFields.patch_size.default(14),
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  mlp_ratio: z.number().positive().default(4),
  hidden_act: activation.default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-6),
  qkv_bias: z.boolean().default(true),
  use_swiglu_ffn: z.boolean().default(false),
});

/**
 * DINOv2 (Oquab et al. 2024) at the image size of its config, where its position embeddings hold as
 * they are stored.
 */
export const dinov2: Architecture = (config, weights) => {
  const fields = readConfig(configSchema, config);
  const { hidden_size: d, num_attention_heads: heads, layer_norm_eps: epsilon } = fields;
  const grid = imageGrid(fields);
  if (grid.height !== grid.width) {
    throw new Unsupported(
      `config.json has image_size = ${JSON.stringify(fields.image_size)}, which is not supported: its positions would be interpolated`,
    );
  }
  const tokens = 1 + grid.patches;
  const net = new Network('dinov2', new WeightTable(weights));
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

  const inner = Math.trunc(d * fields.mlp_ratio);
  // The gated variant keeps two thirds of the width, rounded up to a multiple of 8.
  const gated = Math.floor((Math.trunc((inner * 2) / 3) + 7) / 8) * 8;
  const scale = 1 / Math.sqrt(headWidth(d, heads));
  for (let n = 0; n < fields.num_hidden_layers; n++) {
    const from = `encoder.layer.${n}`;
    const dense = (part: string, input: number, out: number): Dense => ({
      name: `${from}.${part}`,
      input,
      out,
    });
    const read = (part: string): Dense => ({
      ...dense(`attention.attention.${part}`, d, d),
      bias: fields.qkv_bias,
    });
    x = tower.preNormBlock(x, `layers.${n}`, {
      attention: {
        query: read('query'),
        key: read('key'),
        value: read('value'),
        out: dense('attention.output.dense', d, d),
        heads,
        scale,
      },
      mlp: fields.use_swiglu_ffn
        ? {
            up: [dense('mlp.weights_in', d, 2 * gated)],
            down: dense('mlp.weights_out', gated, d),
            act: 'silu',
          }
        : {
            up: [dense('mlp.fc1', d, inner)],
            down: dense('mlp.fc2', inner, d),
            act: fields.hidden_act,
          },
      norms: [`${from}.norm1`, `${from}.norm2`],
      epsilon,
      scales: [`${from}.layer_scale1.lambda1`, `${from}.layer_scale2.lambda1`],
    });
  }
  const final = tower.hidden(tower.layerNorm(x, 'layernorm', d, epsilon), 'ln_final', d);
  const first = tower.first(final);
  const outputs = [final, tower.features(first, 'pooler', d, 'pooled output')];
  const classes = weights.get('classifier.weight')?.shape[0];
  if (classes !== undefined) {
    const patches = net.op('ReduceMean', [net.slice(final, 1, tokens, 1), net.ints(1)], {
      keepdims: 0,
    });
    const whole = new Tower(net, { weights: '', tokens });
    const both = net.op('Concat', [first, patches], { axis: 1 });
    const logits = whole.head(both, { name: 'classifier', input: 2 * d, out: classes });
    outputs.push(whole.features(logits, 'logits', classes, 'logits'));
  }
  return net.plan(outputs);
};
