import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { UserError } from '../errors.ts';
import type { Pixels } from './pillow-resize.ts';

export const imageEndings = ['.png', '.jpg', '.jpeg', '.webp', '.gif', '.tif', '.tiff'];

/** More pixels are taken for a mistake, or for an attack on memory. */
const maxPixels = 2 ** 26;

/** Readers of formats that may refer to other files, or that come from outside the package. */
const blocked = [
  'VipsForeignLoadSvg',
  'VipsForeignLoadPdf',
  'VipsForeignLoadMagick',
  'VipsForeignLoadOpenslide',
  'VipsForeignLoadCsv',
  'VipsForeignLoadMat',
  'VipsForeignLoadVips',
  // Its colours come out otherwise than in Pillow.
  'VipsForeignLoadHeif',
];

type Sharp = typeof import('sharp');
let library: Promise<Sharp> | undefined;

/** The image library: native code that only some packages carry, so loaded when it is needed. */
async function loadSharp(): Promise<Sharp> {
  try {
    const { default: sharp } = await import('sharp');
    sharp.block({ operation: blocked });
    sharp.cache(false);
    return sharp;
  } catch (error) {
    throw new UserError(
      'unsupported',
      'probe of images',
      'this installation has no image library for this platform',
      'install the package made for it, or feed the pixels as a .npy file',
      error,
    );
  }
}

/**
 * The pixels of the first picture in a file, turned into `channels` 1 (grey, as Pillow weighs colours)
 * or 3. Transparency, colour profiles and the orientation that cameras note are left aside, as Pillow
 * leaves them.
 * @throws UserError `unsupported` naming the file that is no sound image.
 */
export async function decodeImage(path: string, channels: 1 | 3): Promise<Pixels> {
  const sharp = await (library ??= loadSharp());
  try {
    const image = sharp(await readFile(path), {
      failOn: 'error',
      ignoreIcc: true,
      limitInputPixels: maxPixels,
    });
    if ((await image.metadata()).space === 'cmyk') throw new Error('its colours are for print');
    const { data, info } = await image
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    return { data: withChannels(data, info.channels, channels), width, height, channels };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n', 1)[0]! : String(error);
    throw new UserError(
      'unsupported',
      path,
      `cannot be decoded as an image (${reason})`,
      `save ${basename(path)} again, or take it out of the folder`,
      error,
    );
  }
}

function withChannels(data: Uint8Array, from: number, to: 1 | 3): Uint8Array {
  if (from === to) return data;
  const size = Math.floor(data.length / from);
  const out = new Uint8Array(size * to);
  for (let i = 0; i < size; i++) {
    if (to === 3) out.fill(data[i * from]!, 3 * i, 3 * i + 3);
    else out[i] = grey(data[i * from]!, data[i * from + 1]!, data[i * from + 2]!);
  }
  return out;
}

/** Luma of ITU-R BT.601, as Pillow rounds it. */
const grey = (r: number, g: number, b: number) => (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
