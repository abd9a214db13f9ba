import { z } from 'zod';
import { GraphBuilder, type Dimension, type Value } from '../../onnx/graph-builder.ts';
import { elementCount } from '../../tensor/convert.ts';
import type { LayerInfo, ValueInfo } from '../model.ts';
import {
  asFloat32,
  readConfig,
  storedWeight,
  Unsupported,
  WeightTable,
  type Architecture,
  type ArchitecturePlan,
  type Weight,
} from './architecture.ts';

const size = z.int().positive();

/** The fields of `BertConfig` that decide what the encoder computes. */
const configSchema = z.object({
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  intermediate_size: size,
  max_position_embeddings: size,
  vocab_size: size,
  type_vocab_size: size.default(2),
  hidden_act: z
    .enum(['gelu', 'gelu_python', 'gelu_new', 'gelu_pytorch_tanh', 'gelu_fast', 'relu'])
    .default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-12),
  position_embedding_type: z.literal('absolute').default('absolute'),
  is_decoder: z.literal(false).default(false),
  add_cross_attention: z.literal(false).default(false),
});
type Config = z.infer<typeof configSchema>;

const exactGelu = new Set(['gelu', 'gelu_python']);

type Named = { name: string; weight: Weight };

/** Weights and bias of a dense layer, or scale and shift of a layer norm. */
interface Pair {
  weight: Named;
  bias: Named;
}

interface LayerWeights {
  query: Pair;
  key: Pair;
  value: Pair;
  attention: Pair;
  attentionNorm: Pair;
  up: Pair;
  down: Pair;
  norm: Pair;
}

interface BertWeights {
  words: Named;
  positions: Named;
  types: Named;
  norm: Pair;
  layers: LayerWeights[];
  pooler?: Pair;
}

/** Find every weight the encoder needs, under whichever prefix the checkpoint puts before them. */
function findWeights(config: Config, table: WeightTable, prefix: string): BertWeights {
  const { hidden_size: d, intermediate_size: inner } = config;
  const find = (name: string, shape: number[]) => table.find([prefix + name], shape);
  const dense = (name: string, out: number, input: number): Pair => ({
    weight: find(`${name}.weight`, [out, input]),
    bias: find(`${name}.bias`, [out]),
  });
  // Checkpoints converted from TensorFlow call the scale and shift gamma and beta.
  const norm = (name: string): Pair => ({
    weight: table.find([`${prefix}${name}.weight`, `${prefix}${name}.gamma`], [d]),
    bias: table.find([`${prefix}${name}.bias`, `${prefix}${name}.beta`], [d]),
  });
  const layer = (n: number): LayerWeights => {
    const at = `encoder.layer.${n}`;
    return {
      query: dense(`${at}.attention.self.query`, d, d),
      key: dense(`${at}.attention.self.key`, d, d),
      value: dense(`${at}.attention.self.value`, d, d),
      attention: dense(`${at}.attention.output.dense`, d, d),
      attentionNorm: norm(`${at}.attention.output.LayerNorm`),
      up: dense(`${at}.intermediate.dense`, inner, d),
      down: dense(`${at}.output.dense`, d, inner),
      norm: norm(`${at}.output.LayerNorm`),
    };
  };
  return {
    words: find('embeddings.word_embeddings.weight', [config.vocab_size, d]),
    positions: find('embeddings.position_embeddings.weight', [config.max_position_embeddings, d]),
    types: find('embeddings.token_type_embeddings.weight', [config.type_vocab_size, d]),
    norm: norm('embeddings.LayerNorm'),
    layers: Array.from({ length: config.num_hidden_layers }, (_, n) => layer(n)),
    ...(table.has(`${prefix}pooler.dense.weight`) ? { pooler: dense('pooler.dense', d, d) } : {}),
  };
}

const count = (...parts: (Named | Pair)[]): number =>
  parts
    .flatMap((part) => ('bias' in part ? [part.weight, part.bias] : [part]))
    .reduce((sum, { weight }) => sum + elementCount(weight.shape), 0);

/** What can be captured, in forward order. */
function describe(config: Config, weights: BertWeights): LayerInfo[] {
  const { hidden_size: d, intermediate_size: inner, num_attention_heads: heads } = config;
  const tokens = (name: string, kind: string, width: number, parameters?: number): LayerInfo => ({
    name,
    kind,
    axes: 'tokens',
    shape: ['batch', 'tokens', width],
    ...(parameters === undefined ? {} : { parameters }),
    default: kind === 'hidden state',
  });
  const attention = (name: string, kind: string): LayerInfo => ({
    name,
    kind,
    axes: 'attention',
    shape: ['batch', heads, 'tokens', 'tokens'],
    default: false,
  });
  const { words, positions, types, norm, layers, pooler } = weights;
  return [
    tokens('embeddings', 'hidden state', d, count(words, positions, types, norm)),
    ...layers.flatMap((layer, n) => {
      const at = `layers.${n}`;
      return [
        tokens(`${at}.attn.q`, 'query', d, count(layer.query)),
        tokens(`${at}.attn.k`, 'key', d, count(layer.key)),
        tokens(`${at}.attn.v`, 'value', d, count(layer.value)),
        attention(`${at}.attn.scores`, 'attention scores'),
        attention(`${at}.attn.probs`, 'attention probabilities'),
        tokens(`${at}.attn.out`, 'attention output', d, count(layer.attention)),
        tokens(`${at}.resid_mid`, 'residual', d, count(layer.attentionNorm)),
        tokens(`${at}.mlp.pre`, 'MLP pre-activation', inner, count(layer.up)),
        tokens(`${at}.mlp.act`, 'MLP activation', inner),
        tokens(`${at}.mlp.out`, 'MLP output', d, count(layer.down)),
        tokens(`${at}.resid_post`, 'hidden state', d, count(layer.norm)),
      ];
    }),
    ...(pooler === undefined
      ? []
      : [
          {
            name: 'pooler',
            kind: 'pooled output',
            axes: 'features',
            shape: ['batch', d],
            parameters: count(pooler),
            default: false,
          } satisfies LayerInfo,
        ]),
  ];
}

const modelInputs: ValueInfo[] = ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({
  name,
  dtype: 'int64',
  shape: ['batch', 'tokens'],
}));

/** The forward pass (Devlin et al. 2019) up to the last of the wanted values. */
function build(config: Config, weights: BertWeights, wanted: readonly LayerInfo[]): Uint8Array {
  const graph = new GraphBuilder('bert');
  const [ids, mask, types] = modelInputs.map(({ name }) =>
    graph.input(name, 'int64', ['batch', 'tokens']),
  ) as [Value, Value, Value];
  const { hidden_size: d, num_attention_heads: heads } = config;

  const missing = new Set(wanted.map(({ name }) => name));
  const done = () => missing.size === 0;
  const seen = (value: Value): Value => {
    missing.delete(value.name);
    return value;
  };
  const finish = () => {
    for (const { name, shape } of wanted) graph.output({ name }, 'float32', shape as Dimension[]);
    return graph.finish();
  };

  const weight = (named: Named): Value =>
    asFloat32(graph, storedWeight(graph, named), named.weight.dtype);
  const batchTokens = graph.op('Shape', [ids]);
  const rows = new Map<number, { flat: Value; full: Value }>();
  /** Target shapes [batch·tokens, width] and [batch, tokens, width]. */
  const shapes = (width: number) => {
    let known = rows.get(width);
    if (known === undefined) {
      const last = graph.ints(width);
      const full = graph.op('Concat', [batchTokens, last], { axis: 0 });
      known = { flat: graph.ints(-1, width), full };
      rows.set(width, known);
    }
    return known;
  };
  // A checkpoint keeps matrices as [out, in]: Gemm takes them so, where MatMul would need a
  // transposed copy.
  const dense = (x: Value, pair: Pair, name: string): Value => {
    const [out, input] = pair.weight.weight.shape as [number, number];
    const flat = graph.op('Reshape', [x, shapes(input).flat]);
    const y = graph.op('Gemm', [flat, weight(pair.weight), weight(pair.bias)], { transB: 1 });
    return seen(graph.op('Reshape', [y, shapes(out).full], {}, name));
  };
  const layerNorm = (x: Value, pair: Pair, name: string): Value =>
    seen(
      graph.op(
        'LayerNormalization',
        [x, weight(pair.weight), weight(pair.bias)],
        { axis: -1, epsilon: { float: config.layer_norm_eps } },
        name,
      ),
    );
  /** Rows of an embedding table: looked up first, converted after, so that the table is not. */
  const lookUp = (table: Named, indices: Value): Value =>
    asFloat32(
      graph,
      graph.op('Gather', [storedWeight(graph, table), indices], { axis: 0 }),
      table.weight.dtype,
    );

  const tokens = graph.op('Gather', [batchTokens, graph.constant(BigInt64Array.of(1n), [])]);
  const zero = graph.constant(BigInt64Array.of(0n), []);
  const one = graph.constant(BigInt64Array.of(1n), []);
  const positions = graph.op('Range', [zero, tokens, one]);
  const sum = graph.op('Add', [
    graph.op('Add', [lookUp(weights.words, ids), lookUp(weights.types, types)]),
    lookUp(weights.positions, positions),
  ]);
  let x = layerNorm(sum, weights.norm, 'embeddings');
  if (done()) return finish();

  const splitShape = graph.op('Concat', [batchTokens, graph.ints(heads, d / heads)], { axis: 0 });
  /** [batch, tokens, d] → [batch, heads, …] in the axis order asked for. */
  const split = (value: Value, perm: readonly number[]): Value =>
    graph.op('Transpose', [graph.op('Reshape', [value, splitShape])], { perm });
  const scale = graph.constant(Float32Array.of(1 / Math.sqrt(d / heads)), []);
  // 0 where a token counts, the lowest float where it is padding: [batch, 1, 1, tokens].
  const padding = graph.op('Mul', [
    graph.op('Sub', [
      graph.constant(Float32Array.of(1), []),
      graph.op('Cast', [graph.op('Unsqueeze', [mask, graph.ints(1, 2)])], {
        to: { to: 'float32' },
      }),
    ]),
    graph.constant(Float32Array.of(-3.4028234663852886e38), []),
  ]);
  const activation = (value: Value, name: string): Value => {
    if (config.hidden_act === 'relu') return seen(graph.op('Relu', [value], {}, name));
    const approximate = exactGelu.has(config.hidden_act) ? 'none' : 'tanh';
    return seen(graph.op('Gelu', [value], { approximate }, name));
  };

  for (const [n, layer] of weights.layers.entries()) {
    const at = `layers.${n}`;
    const q = dense(x, layer.query, `${at}.attn.q`);
    const k = dense(x, layer.key, `${at}.attn.k`);
    const v = dense(x, layer.value, `${at}.attn.v`);
    const product = graph.op('MatMul', [split(q, [0, 2, 1, 3]), split(k, [0, 2, 3, 1])]);
    const scores = seen(graph.op('Mul', [product, scale], {}, `${at}.attn.scores`));
    const masked = graph.op('Add', [scores, padding]);
    const probs = seen(graph.op('Softmax', [masked], { axis: -1 }, `${at}.attn.probs`));
    const heard = graph.op('MatMul', [probs, split(v, [0, 2, 1, 3])]);
    const context = graph.op('Transpose', [heard], { perm: [0, 2, 1, 3] });
    const attended = dense(context, layer.attention, `${at}.attn.out`);
    const mid = layerNorm(graph.op('Add', [attended, x]), layer.attentionNorm, `${at}.resid_mid`);
    const act = activation(dense(mid, layer.up, `${at}.mlp.pre`), `${at}.mlp.act`);
    const down = dense(act, layer.down, `${at}.mlp.out`);
    x = layerNorm(graph.op('Add', [down, mid]), layer.norm, `${at}.resid_post`);
    if (done()) return finish();
  }

  if (weights.pooler !== undefined) {
    const first = graph.op('Gather', [x, zero], { axis: 1 });
    const { weight: w, bias: b } = weights.pooler;
    const y = graph.op('Gemm', [first, weight(w), weight(b)], { transB: 1 });
    seen(graph.op('Tanh', [y], {}, 'pooler'));
  }
  return finish();
}

/** BERT encoders (`BertModel` and `BertFor…`): everything up to the pooled output, without heads. */
export const bert: Architecture = (config, weights): ArchitecturePlan => {
  const fields = readConfig(configSchema, config);
  const { hidden_size: d, num_attention_heads: heads } = fields;
  if (d % heads !== 0) {
    throw new Unsupported(
      `config.json has num_attention_heads = ${heads}, which does not divide hidden_size = ${d}`,
    );
  }
  const stem = 'embeddings.word_embeddings.weight';
  const words = [...weights.keys()].find((name) => name === stem || name.endsWith(`.${stem}`));
  if (words === undefined) throw new Unsupported(`the weights lack ${stem}`);
  const found = findWeights(
    fields,
    new WeightTable(weights),
    words.slice(0, words.length - stem.length),
  );
  const layers = describe(fields, found);
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const asOutput = (name: string): ValueInfo[] => {
    const layer = byName.get(name);
    return layer?.shape === undefined ? [] : [{ name, dtype: 'float32', shape: layer.shape }];
  };
  return {
    inputs: modelInputs,
    outputs: [
      ...asOutput(`layers.${fields.num_hidden_layers - 1}.resid_post`),
      ...asOutput('pooler'),
    ],
    layers,
    graph: (names) =>
      build(
        fields,
        found,
        names.map((name) => {
          const layer = byName.get(name);
          if (layer === undefined) throw new Error(`no value is called ${name}`);
          return layer;
        }),
      ),
  };
};
