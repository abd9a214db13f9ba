import type { Pool } from '../jobs/messages.ts';
import type { LayerInfo } from '../models/model.ts';
import type { RowLayout } from './layer-rows.ts';
import type { PooledRows } from './pooling.ts';

type RowShape = [n: number, d: number];
/** By layer. */
export type RowShapes = Map<string, RowShape>;

export const bytesOfRows = (shapes: RowShapes) =>
  [...shapes.values()].reduce((sum, [n, d]) => sum + n * d * Float32Array.BYTES_PER_ELEMENT, 0);

/** Rows and units that a layer will have, as {@link poolRows} makes them; undefined where unknown. */
export function rowsShape(
  layer: LayerInfo | undefined,
  { samples, parts, hasTokens }: RowLayout,
  pool: Pool,
): RowShape | undefined {
  if (!layer?.shape) return undefined;
  const isSequence = hasTokens && layer.shape.length === 3;
  const sizes = layer.shape.slice(isSequence ? 2 : 1);
  if (!sizes.every((size) => typeof size === 'number')) return undefined;
  const d = sizes.reduce<number>((product, size) => product * size, 1);
  return [isSequence && (pool === 'none' || pool === 'word') ? parts : samples, d];
}

/** Rows and units of every layer, as the first batch shows them. */
export function shapesOf(
  pooled: ReadonlyMap<string, PooledRows>,
  { samples, parts }: RowLayout,
): RowShapes {
  return new Map(
    [...pooled].map(([layer, { perPart, d }]) => [layer, [perPart ? parts : samples, d]]),
  );
}

/** A value's shape as a run showed it; the batch and the text's tokens are named. */
export type ObservedShape = (number | 'batch' | 'tokens')[];

export const observedShape = (dims: readonly number[], tokens: number | undefined): ObservedShape =>
  dims.map((size, axis) => {
    if (axis === 0) return 'batch';
    return axis === 1 && dims.length === 3 && size === tokens ? 'tokens' : size;
  });
