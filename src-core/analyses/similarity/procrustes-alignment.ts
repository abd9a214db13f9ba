import type { Engine } from '../../engine/device-engine.ts';
import { nuclearNorm } from '../../engine/linear-algebra/svd.ts';
import type { CheckedRows } from '../layers.ts';
import type { Step } from './pairs.ts';
import { crossProduct, norm, type Columns } from './products.ts';

/** A layer as Procrustes analysis compares it: centred rows, turned or not. */
export interface Shape extends Columns {
  norm: number;
}

export const shapeOf = (columns: Columns): Shape => ({ ...columns, norm: norm(columns) });

/** Bytes that a shape takes, and what making it takes beside it. */
export const shapeBytes = ({ n, d }: CheckedRows): number => 8 * (n * d + 3 * Math.min(n, d) ** 2);

/**
 * ‖XᵀY‖_*: the largest inner product of X with any rotation and reflection of Y. A narrower matrix
 * counts as filled up with zeros, which changes nothing.
 */
export async function alignment(engine: Engine, x: Shape, y: Shape, step: Step): Promise<number> {
  const product = await crossProduct(engine, x, y, (part) => step(part / 2));
  return nuclearNorm(product, x.width, y.width, { step: (part) => step(0.5 + part / 2) });
}

/** arccos of an alignment over the norms, in [0, π/2]; NaN where a side is constant. */
export const angle = (aligned: number, x: Shape, y: Shape): number =>
  Math.acos(Math.min(1, aligned / (x.norm * y.norm)));
