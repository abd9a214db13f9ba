import { z } from 'zod';
import { readConfig, WeightTable, type Architecture, type Weights } from './architecture.ts';
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
import { embedPatches, imageFields, imageGrid, pixelInput } from './patches.ts';

const encoderFields = {
  num_hidden_layers: size.default(12),
  hidden_act: activation.default('quick_gelu'),
  layer_norm_eps: z.number().positive().default(1e-5),
};

/** Fields of `CLIPTextConfig`, with the defaults that old checkpoints leave out. */
const textConfig = z.object({
  ...encoderFields,
  hidden_size: size.default(512),
  intermediate_size: size.default(2048),
  num_attention_heads: size.default(8),
  vocab_size: size.default(49_408),
  max_position_embeddings: size.default(77),
  eos_token_id: z.int().nonnegative().default(49_407),
});

/** Fields of `CLIPVisionConfig`, likewise. */
const visionConfig = z.object({
  ...encoderFields,
  ...imageFields,
  hidden_size: size.default(768),
  intermediate_size: size.default(3072),
  num_attention_heads: size.default(12),
  image_size: size.default(224),
  patch_size: size.default(32),
});

const bothConfigs = z.object({ text_config: textConfig, vision_config: visionConfig });

interface Fields {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  hidden_act: z.infer<typeof activation>;
  layer_norm_eps: number;
}

function blocks(tower: Tower, x: Node, fields: Fields, hide?: Node): Node {
  const { hidden_size: d, intermediate_size: inner, num_attention_heads: heads } = fields;
  const scale = 1 / Math.sqrt(headWidth(d, heads));
  let value = x;
  for (let n = 0; n < fields.num_hidden_layers; n++) {
    const from = `encoder.layers.${n}`;
    const square = (part: string) => ({ name: `${from}.self_attn.${part}_proj`, input: d, out: d });
    value = tower.preNormBlock(value, `layers.${n}`, {
      attention: {
        query: square('q'),
        key: square('k'),
        value: square('v'),
        out: square('out'),
        heads,
        scale,
        ...(hide === undefined ? {} : { hide }),
      },
      mlp: {
        up: [{ name: `${from}.mlp.fc1`, input: d, out: inner }],
        down: { name: `${from}.mlp.fc2`, input: inner, out: d },
        act: fields.hidden_act,
      },
      norms: [`${from}.layer_norm1`, `${from}.layer_norm2`],
      epsilon: fields.layer_norm_eps,
    });
  }
  return value;
}

/** The pooled output in the space that texts and images share, where the checkpoint goes there. */
function project(
  net: Network,
  tower: Tower,
  pooled: Node,
  weights: Weights,
  tensor: string,
): Node[] {
  const shape = weights.get(tensor)?.shape;
  if (shape?.length !== 2) return [];
  const [out, input] = shape as [number, number];
  const y = net.op('Gemm', [pooled, net.weight(tensor, [out, input])], { transB: 1 });
  return [tower.features(y, 'embeds', out, 'embedding')];
}

/** The causal text encoder; pooled where the text ends. */
function textTower(
  net: Network,
  weights: Weights,
  fields: z.infer<typeof textConfig>,
  prefix: string,
): Node[] {
  const { hidden_size: d } = fields;
  const tower = new Tower(net, {
    prefix,
    weights: weightPrefix(weights.keys(), 'embeddings.token_embedding.weight'),
    tokens: 'tokens',
    inputs: ['input_ids', 'attention_mask'],
  });
  const ids = net.input('input_ids', 'int64', ['batch', 'tokens']);
  const mask = net.input('attention_mask', 'int64', ['batch', 'tokens']);
  const positions = positionsOf(net, ids);
  const words = tower.lookUp('embeddings.token_embedding.weight', [fields.vocab_size, d], ids);
  const places = [fields.max_position_embeddings, d];
  const place = tower.lookUp('embeddings.position_embedding.weight', places, positions);
  const embedded = tower.hidden(tower.add(words, place), 'embeddings', d);

  const earlier = net.op('LessOrEqual', [
    net.op('Unsqueeze', [positions, net.ints(0)]),
    net.op('Unsqueeze', [positions, net.ints(1)]),
  ]);
  const hide = hideUnless(net, net.op('And', [realKeys(net, mask), earlier]));
  const x = blocks(tower, embedded, fields, hide);
  const normed = tower.layerNorm(x, 'final_layer_norm', d, fields.layer_norm_eps);
  const final = tower.hidden(normed, 'ln_final', d);
  // Configs from before the end token had a field of its own say 2: there it is the highest number.
  const ends =
    fields.eos_token_id === 2 ? ids : net.op('Equal', [ids, net.int(fields.eos_token_id)]);
  const marks = net.op('Cast', [ends], { to: { to: 'int32' } });
  const end = net.op('ArgMax', [marks], { axis: 1, keepdims: 1 });
  const row = net.op('GatherND', [final, end], { batch_dims: 1 });
  const pooled = tower.features(row, 'pooler', d, 'pooled output');
  return [final, pooled, ...project(net, tower, pooled, weights, 'text_projection.weight')];
}

/** The image encoder; pooled at its class token. */
function visionTower(
  net: Network,
  weights: Weights,
  fields: z.infer<typeof visionConfig>,
  prefix: string,
): Node[] {
  const { hidden_size: d, layer_norm_eps: epsilon } = fields;
  const grid = imageGrid(fields);
  const tokens = 1 + grid.patches;
  const tower = new Tower(net, {
    prefix,
    weights: weightPrefix(weights.keys(), 'embeddings.patch_embedding.weight'),
    tokens,
    inputs: ['pixel_values'],
  });
  const embedded = embedPatches(tower, pixelInput(net, grid), grid, {
    width: d,
    projection: 'embeddings.patch_embedding',
    bias: false,
    classToken: { name: 'embeddings.class_embedding', shape: [d] },
    positions: { name: 'embeddings.position_embedding.weight', shape: [tokens, d] },
  });
  const first = tower.layerNorm(embedded, 'pre_layrnorm', d, epsilon);
  const x = blocks(tower, tower.hidden(first, 'embeddings', d), fields);
  const normed = tower.layerNorm(tower.first(x), 'post_layernorm', d, epsilon);
  const pooled = tower.features(normed, 'pooler', d, 'pooled output');
  return [x, pooled, ...project(net, tower, pooled, weights, 'visual_projection.weight')];
}

/**
 * CLIP (Radford et al. 2021): two encoders in one checkpoint. Layers of the text encoder are called
 * `text.…` and need the text inputs only; those of the image encoder `vision.…` and `pixel_values`.
 */
export const clip: Architecture = (config, weights) => {
  const fields = readConfig(bothConfigs, config);
  const net = new Network('clip', new WeightTable(weights));
  const text = textTower(net, weights, fields.text_config, 'text.');
  const vision = visionTower(net, weights, fields.vision_config, 'vision.');
  return net.plan([...text, ...vision]);
};

/** The text encoder of CLIP alone. */
export const clipText: Architecture = (config, weights) => {
  const net = new Network('clip', new WeightTable(weights));
  return net.plan(textTower(net, weights, readConfig(textConfig, config), ''));
};

/** The image encoder of CLIP alone. */
export const clipVision: Architecture = (config, weights) => {
  const net = new Network('clip', new WeightTable(weights));
  return net.plan(visionTower(net, weights, readConfig(visionConfig, config), ''));
};
