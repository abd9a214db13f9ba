import type { NamedRows, Side } from '../analyses/definition.ts';
import {
  attentionReduction,
  attentionStatistics,
} from '../analyses/collapse/attention-statistics.ts';
import { blocks } from '../analyses/blocks.ts';
import { requireMemory } from '../analyses/memory.ts';
import { canReduce, reduceValues } from '../capture/reduction.ts';
import type { Engine } from '../engine/device-engine.ts';
import { UserError } from '../errors.ts';
import { selectLayers } from '../models/layers.ts';
import type { LayerInfo, ModelOutline } from '../models/model.ts';
import { Matrix, type Floats } from '../tensor/matrix.ts';
import type { MatrixFile } from '../tensor/matrix-file.ts';
import { callBudget } from '../engine/call-budget.ts';

/** How far the probabilities of a query may be from adding up to 1: those of 16-bit models are. */
const tolerance = 0.01;

/**
 * The attention maps of a model: softmax outputs [samples, heads, tokens, tokens], by the names that
 * the user gave where there are any.
 * @throws UserError `unknown-layer` where there are none, `unsupported` for operators too old.
 */
export function attentionLayers(outline: ModelOutline, globs?: readonly string[]): LayerInfo[] {
  const named = globs !== undefined && globs.length > 0;
  const asked = named ? selectLayers(outline, globs) : outline.layers;
  const found = asked.filter(isMap);
  if (found.length > 0 && !canReduce(outline)) {
    throw new UserError(
      'unsupported',
      outline.path,
      'is an ONNX model of an opset before 11, whose graph takes no statistics of attention behind it',
      'export it again with opset 11 or later',
    );
  }
  if (found.length > 0) return found;
  const maps = outline.layers.filter(isMap).map(({ name }) => name);
  throw new UserError(
    'unknown-layer',
    outline.path,
    named && maps.length > 0
      ? 'none of the layers asked for is an attention map'
      : 'has no attention maps: they may be inside a fused operator',
    maps.length > 0
      ? `choose among ${maps.slice(0, 5).join(', ')}${maps.length > 5 ? ', …' : ''}`
      : 'export it with plain (eager) attention, or name the Hugging Face checkpoint',
  );
}

function isMap({ axes, kind, shape }: LayerInfo): boolean {
  if (axes !== 'attention' || kind === 'attention scores') return false;
  const [queries, keys] = shape?.slice(-2) ?? [];
  return typeof queries !== 'number' || typeof keys !== 'number' || queries === keys;
}

/** Statistics of each head as rows of samples: the shape of a sample tells the heads. */
export const ofHeads = (rows: NamedRows): NamedRows => ({
  label: rows.label,
  n: rows.n,
  d: rows.d,
  dtype: rows.dtype,
  sample: [rows.d / attentionStatistics.length, attentionStatistics.length],
  rows: (start, end) => rows.rows(start, end),
});

/**
 * Attention maps of a file: tokens × tokens, heads × tokens × tokens, layers × heads × tokens ×
 * tokens, or layers × samples × heads × tokens × tokens.
 * @throws UserError `wrong-shape` where they are not that, or not probabilities.
 */
export async function attentionOfFile(
  spec: string,
  matrix: MatrixFile,
  engine: Engine,
  memoryLimit: number,
  step: (fraction: number, message: string) => Promise<void>,
): Promise<Side> {
  const shape = [matrix.n, ...(matrix.sample ?? [matrix.d])];
  const tokens = shape.at(-1)!;
  if (shape.length > 5 || shape.at(-2) !== tokens) {
    throw new UserError(
      'wrong-shape',
      spec,
      `has shape [${shape.join(', ')}], and this analysis takes heads × tokens × tokens, with layers, or layers and samples, before them`,
      'save the attention probabilities so',
    );
  }
  const layered = shape.length > 3;
  const heads = shape.at(-3) ?? 1;
  const samples = shape.at(-5) === undefined ? 1 : shape.at(-4)!;
  const perLayer = samples * heads * tokens ** 2;
  const bytes = matrix.dtype === 'float64' ? 8 : 4;
  requireMemory(
    { memoryLimit },
    3 * perLayer * bytes,
    `maps of a layer of ${spec}`,
    'save fewer samples',
  );
  const layers: NamedRows[] = [];
  const count = layered ? matrix.n : 1;
  for (let index = 0; index < count; index++) {
    const label = layered ? String(index) : matrix.label;
    const maps = await (layered ? matrix.rows(index, index + 1) : matrix.rows(0, matrix.n));
    assertProbabilities(`${spec}${layered ? ` layer ${index}` : ''}`, maps, tokens);
    const rows = new Matrix(
      samples,
      heads * attentionStatistics.length,
      await statisticsOf(engine, maps, tokens, (part) =>
        step((index + part) / count, `Attention of ${matrix.label}`),
      ),
    );
    layers.push(ofHeads(Object.assign(rows, { label })));
  }
  return { name: matrix.label, layered, layers };
}

/** The statistics of maps tokens × tokens, one after the other, some at a time. */
async function statisticsOf(
  engine: Engine,
  maps: Floats,
  tokens: number,
  step: (fraction: number) => Promise<void>,
): Promise<Floats> {
  const count = maps.length / tokens ** 2;
  const width = attentionStatistics.length;
  const out =
    maps instanceof Float64Array
      ? new Float64Array(count * width)
      : new Float32Array(count * width);
  for (const [start, end] of blocks(count, Math.max(1, Math.floor(callBudget / tokens ** 3)))) {
    const part = maps.subarray(start * tokens ** 2, end * tokens ** 2);
    const dims = [end - start, 1, tokens, tokens];
    out.set(await reduceValues(engine, attentionReduction, part, dims, tokens), start * width);
    await step(end / count);
  }
  return out;
}

function assertProbabilities(where: string, maps: Floats, tokens: number): void {
  for (let at = 0; at < maps.length; at += tokens) {
    let sum = 0;
    let least = 0;
    for (let j = at; j < at + tokens; j++) {
      sum += maps[j]!;
      least = Math.min(least, maps[j]!);
    }
    if (Math.abs(sum - 1) <= tolerance && least >= 0) continue;
    const query = at / tokens;
    throw new UserError(
      'wrong-shape',
      where,
      `query ${query % tokens} of map ${Math.floor(query / tokens)} is not a probability: ${least < 0 ? `it holds ${least}` : `its entries add up to ${Number(sum.toPrecision(4))}`}`,
      'give probabilities, as they are after softmax',
    );
  }
}
