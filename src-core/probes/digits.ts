import { createHash } from 'node:crypto';
import { Random } from '../analyses/random.ts';
import type { ImageProbe } from './image.ts';
import { describeScaling, type PixelScaling } from './pixel-scaling.ts';

/**
 * The pens' paths of each digit in a unit square (x right, y down), in the commands M, L and C of an
 * SVG path, absolute. Several ways of writing each.
 */
const styles: readonly (readonly string[])[] = [
  [
    'M.5 .1 C.15 .1 .15 .9 .5 .9 C.85 .9 .85 .1 .5 .1',
    'M.5 .1 C.28 .1 .25 .9 .5 .9 C.75 .9 .72 .1 .5 .1',
    'M.6 .14 C.12 .02 .12 .95 .5 .9 C.88 .86 .86 .14 .46 .12',
  ],
  ['M.5 .1 L.5 .9', 'M.34 .3 L.54 .1 L.54 .9', 'M.34 .28 L.52 .1 L.52 .9 M.32 .9 L.72 .9'],
  [
    'M.24 .32 C.26 .02 .78 .02 .76 .34 C.75 .54 .4 .68 .22 .9 L.8 .9',
    'M.24 .3 C.3 .05 .75 .05 .72 .35 C.68 .6 .3 .95 .24 .84 C.22 .72 .45 .76 .8 .9',
    'M.26 .16 C.5 .04 .76 .12 .74 .34 C.72 .56 .42 .7 .24 .88 L.78 .86',
  ],
  [
    'M.25 .2 C.4 .02 .75 .08 .72 .3 C.7 .45 .55 .48 .42 .48 C.6 .48 .78 .52 .77 .7 C.75 .95 .38 .95 .23 .8',
    'M.25 .1 L.74 .1 L.46 .42 C.86 .42 .86 .9 .5 .9 C.38 .9 .28 .85 .22 .78',
    'M.26 .14 C.5 .04 .76 .14 .68 .34 C.62 .46 .5 .46 .44 .48 C.8 .46 .84 .86 .5 .9 C.4 .92 .3 .88 .24 .86',
  ],
  [
    'M.3 .1 L.22 .56 L.82 .56 M.62 .3 L.62 .9',
    'M.62 .9 L.62 .1 L.2 .64 L.84 .64',
    'M.34 .12 C.28 .3 .2 .54 .28 .56 C.42 .58 .6 .54 .7 .5 M.72 .14 C.68 .4 .62 .7 .62 .9',
  ],
  [
    'M.75 .1 L.32 .1 L.28 .46 C.5 .34 .8 .44 .77 .68 C.74 .95 .4 .95 .23 .82',
    'M.3 .12 L.28 .45 C.55 .38 .78 .5 .72 .72 C.66 .93 .35 .93 .24 .82 M.3 .12 L.78 .1',
    'M.78 .12 C.6 .08 .42 .1 .4 .14 C.34 .26 .3 .4 .3 .44 C.6 .42 .78 .58 .68 .76 C.6 .92 .36 .92 .22 .88',
  ],
  [
    'M.68 .12 C.4 .18 .24 .45 .25 .68 C.27 .98 .75 .97 .75 .67 C.75 .42 .35 .42 .26 .64',
    'M.6 .1 L.3 .6 C.15 .95 .75 1 .74 .68 C.72 .45 .4 .45 .3 .6',
    'M.48 .1 C.3 .3 .2 .9 .46 .9 C.74 .9 .78 .54 .52 .54 C.4 .54 .32 .64 .3 .7',
  ],
  [
    'M.22 .1 L.78 .1 L.42 .9',
    'M.22 .12 L.78 .1 L.44 .9 M.34 .5 L.72 .5',
    'M.22 .22 L.24 .1 L.78 .1 C.6 .4 .48 .6 .46 .9',
  ],
  [
    'M.5 .48 C.2 .4 .22 .1 .5 .1 C.78 .1 .8 .4 .5 .48 C.15 .56 .15 .9 .5 .9 C.85 .9 .85 .56 .5 .48',
    'M.7 .2 C.6 .04 .28 .08 .3 .27 C.32 .48 .76 .5 .75 .71 C.74 .95 .27 .95 .26 .71 C.25 .5 .75 .42 .7 .2',
    'M.66 .16 C.4 0 .22 .24 .42 .4 C.6 .54 .74 .6 .7 .76 C.62 .96 .3 .92 .34 .72 C.38 .5 .76 .34 .66 .16',
  ],
  [
    'M.74 .32 C.72 .02 .26 .02 .26 .32 C.26 .58 .66 .56 .74 .32 C.74 .55 .7 .75 .62 .9',
    'M.73 .3 C.7 .04 .27 .04 .27 .32 C.28 .58 .7 .54 .73 .3 L.74 .6 C.72 .95 .4 .95 .28 .84',
    'M.7 .16 C.44 .02 .2 .26 .32 .42 C.46 .56 .7 .36 .7 .16 L.68 .9',
  ],
];

/** Images a set holds, one byte a pixel (0 background, 255 ink), and the digit that each shows. */
export interface Digits {
  /** count × height × width. */
  images: Uint8Array;
  /** count; label i is i mod 10. */
  labels: Uint8Array;
}

/**
 * Draws handwritten-looking digits: pen strokes under random affine distortion, of random width,
 * softness and pixel noise. Image i depends on `seed` (a whole number below 2^21) and i alone, and on
 * sums, products, quotients and square roots, which round alike everywhere: the bytes are the same on
 * every machine.
 */
export function drawDigits(options: {
  count: number;
  seed: number;
  height: number;
  width: number;
}): Digits {
  const { count, seed, height, width } = options;
  const size = height * width;
  const images = new Uint8Array(count * size);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 10);
  const ink = new Float64Array(size);
  for (let i = 0; i < count; i++) {
    const chance = new Random(seed * 2 ** 32 + i);
    const ways = styles[i % 10]!;
    const path = ways[Math.floor(chance.uniform() * ways.length)]!;
    const segments = flatten(path, distortion(chance, height, width));
    const side = Math.min(height, width);
    const radius = Math.max(0.5, (side * between(chance, 0.05, 0.1)) / 2);
    const softness = Math.max(1, side * between(chance, 0.03, 0.06));
    draw(segments, radius, softness, ink.fill(0), height, width);
    const strength = between(chance, 200, 255);
    const grain = between(chance, 5, 30);
    for (let p = 0; p < size; p++) {
      const grey = ink[p]! * strength + between(chance, -grain, grain);
      images[i * size + p] = Math.round(Math.min(255, Math.max(0, grey)));
    }
  }
  return { images, labels };
}

const probeSize = 500;
const probeSeed = 0;

/**
 * The embedded image probe: 500 digits, 50 of each, drawn at the size a model takes, and scaled as it
 * asks for where it says so.
 */
export function defaultImageProbe(
  size: { height: number; width: number },
  scaling?: PixelScaling,
): ImageProbe {
  const { height, width } = size;
  const scaled = scaling
    ? describeScaling(scaling)
    : 'pixels scaled to 0–1 (no mean or deviation removed)';
  const { images, labels } = drawDigits({ count: probeSize, seed: probeSeed, height, width });
  return {
    spec: 'default',
    description:
      `${probeSize} procedurally drawn digits, 50 of each class, ${height} × ${width} grey ` +
      `(repeated where a model takes 3 channels), ${scaled}`,
    n: probeSize,
    height,
    width,
    labels,
    images,
    ...(scaling ? { scaling } : {}),
    sha256: createHash('sha256')
      .update(`${probeSize} ${height} ${width}\n${scaling ? JSON.stringify(scaling) : ''}`)
      .update(images)
      .update(labels)
      .digest('hex'),
  };
}

function between(chance: Random, low: number, high: number): number {
  return low + (high - low) * chance.uniform();
}

type Point = readonly [x: number, y: number];
type Segment = readonly [from: Point, to: Point];

/** A random map from the unit square to pixels: jitter, shear, scale, rotation, shift. */
function distortion(chance: Random, height: number, width: number): (point: Point) => Point {
  const side = Math.min(height, width);
  // Rotation by the tangent of half the angle (±0.24 rad), which needs no trigonometry.
  const t = between(chance, -0.12, 0.12);
  const cos = (1 - t * t) / (1 + t * t);
  const sin = (2 * t) / (1 + t * t);
  const shear = between(chance, -0.25, 0.25);
  const scaleX = side * between(chance, 0.7, 1);
  const scaleY = side * between(chance, 0.75, 0.95);
  const shiftX = width / 2 + side * between(chance, -0.06, 0.06);
  const shiftY = height / 2 + side * between(chance, -0.06, 0.06);
  return ([px, py]) => {
    const x = px - 0.5 + between(chance, -0.025, 0.025);
    const y = py - 0.5 + between(chance, -0.025, 0.025);
    const u = scaleX * (x - shear * y);
    const v = scaleY * y;
    return [shiftX + cos * u - sin * v, shiftY + sin * u + cos * v];
  };
}

const stepsPerCurve = 10;

/** The straight segments of a path whose points are mapped first. */
function flatten(path: string, map: (point: Point) => Point): Segment[] {
  const segments: Segment[] = [];
  let pen: Point = [0, 0];
  for (const [, command, numbers] of path.matchAll(/([MLC])([^MLC]*)/g)) {
    const coordinates = numbers!.trim().split(' ').map(Number);
    const points: Point[] = [];
    for (let i = 0; i < coordinates.length; i += 2) {
      points.push(map([coordinates[i]!, coordinates[i + 1]!]));
    }
    if (command === 'L') segments.push([pen, points[0]!]);
    if (command === 'C') {
      let from = pen;
      for (let step = 1; step <= stepsPerCurve; step++) {
        const to = cubic(pen, points[0]!, points[1]!, points[2]!, step / stepsPerCurve);
        segments.push([from, to]);
        from = to;
      }
    }
    pen = points.at(-1)!;
  }
  return segments;
}

function cubic(a: Point, b: Point, c: Point, d: Point, t: number): Point {
  const s = 1 - t;
  const at = (axis: 0 | 1) =>
    s * s * s * a[axis] + 3 * s * s * t * b[axis] + 3 * s * t * t * c[axis] + t * t * t * d[axis];
  return [at(0), at(1)];
}

/** Sets `ink` (height × width, 0–1) by each pixel's distance to the nearest segment. */
function draw(
  segments: readonly Segment[],
  radius: number,
  softness: number,
  ink: Float64Array,
  height: number,
  width: number,
): void {
  const reach = radius + softness;
  for (const [[ax, ay], [bx, by]] of segments) {
    const dx = bx - ax;
    const dy = by - ay;
    const squared = Math.max(dx * dx + dy * dy, 1e-12);
    const top = Math.max(0, Math.floor(Math.min(ay, by) - reach));
    const bottom = Math.min(height - 1, Math.ceil(Math.max(ay, by) + reach));
    const left = Math.max(0, Math.floor(Math.min(ax, bx) - reach));
    const right = Math.min(width - 1, Math.ceil(Math.max(ax, bx) + reach));
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const px = column + 0.5 - ax;
        const py = row + 0.5 - ay;
        const along = Math.min(1, Math.max(0, (px * dx + py * dy) / squared));
        const ex = px - along * dx;
        const ey = py - along * dy;
        const distance = Math.sqrt(ex * ex + ey * ey);
        const cover = Math.min(1, Math.max(0, 0.5 + (radius - distance) / softness));
        const p = row * width + column;
        if (cover > ink[p]!) ink[p] = cover;
      }
    }
  }
}
