import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFeed } from '../capture/feed.ts';
import { openModel } from '../models/open.ts';
import { GraphBuilder } from '../onnx/graph-builder.ts';

const gpt2 = fileURLToPath(new URL('../../test/fixtures/decoders/gpt2', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'repscope-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

/** A `.npy` file of int32 or float32 rows. */
function npy(descr: '<i4' | '<f4', shape: [number, number], values: number[]): Promise<string> {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`;
  const header = Buffer.from(`${text.padEnd(117)}\n`, 'latin1');
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  const data = descr === '<i4' ? Int32Array.from(values) : Float32Array.from(values);
  const bytes = [Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, header];
  return file(`ids${descr[1]}.npy`, Buffer.concat([...bytes, new Uint8Array(data.buffer)]));
}

const feedOf = async (path: string, model = gpt2) => openFeed(await openModel(model), path, '.');

/** A model that takes ids and no mask, of a fixed length where one is given. */
async function bare(length: number | string): Promise<string> {
  const builder = new GraphBuilder('g');
  const ids = builder.input('tokens', 'int32', ['batch', length]);
  builder.output(builder.op('Abs', [ids], {}, 'y'), 'int32', ['batch', length]);
  return file(`bare-${length}.onnx`, builder.finish());
}

describe('token ids', () => {
  test('of .jsonl, of different lengths, padded with a mask, longest first', async () => {
    const path = await file(
      'ids.jsonl',
      '{"ids":[5,6],"label":"a"}\n{"ids":[7,8,9],"label":"b"}\n',
    );
    const feed = await feedOf(path);
    expect(feed).toMatchObject({ n: 2, labels: ['a', 'b'] });
    const schedule = await feed.prepare!(() => Promise.resolve());
    expect([...schedule.order]).toEqual([1, 0]);
    const { feeds, tokens } = await feed.batch(0, 2);
    expect(Array.from(feeds['input_ids']!.data, Number)).toEqual([7, 8, 9, 5, 6, 0]);
    expect(Array.from(tokens!.mask, Number)).toEqual([1, 1, 1, 1, 1, 0]);
  });

  test('of .npy, in the type that the input has', async () => {
    const feed = await feedOf(await npy('<i4', [2, 3], [1, 2, 3, 4, 5, 6]), await bare('length'));
    await feed.prepare!(() => Promise.resolve());
    const { feeds } = await feed.batch(0, 2);
    expect(feeds['tokens']).toEqual({
      dtype: 'int32',
      dims: [2, 3],
      data: Int32Array.of(1, 2, 3, 4, 5, 6),
    });
  });

  test.each([
    ['{"ids":[1,64]}\n{"ids":[1]}\n', /sample 1 holds the token id 64, .* ends at 63/],
    ['{"ids":[1,-1]}\n{"ids":[1]}\n', /:1: -1 is no token id/],
    ['{"ids":[1,1.5]}\n{"ids":[1]}\n', /1\.5 is no token id/],
    ['{"ids":[]}\n{"ids":[1]}\n', /:1: has no list "ids"/],
    ['{"ids":[1]}\n', /holds one sample/],
  ])('%j is refused', async (content, words) => {
    await expect(feedOf(await file('bad.jsonl', content))).rejects.toThrow(words);
  });

  test('numbers that are no ids, lengths that do not fit, and models of something else', async () => {
    await expect(feedOf(await npy('<f4', [2, 1], [1, 2.5]))).rejects.toThrow(
      /row 2 holds 2\.5, which is no token id/,
    );
    const ragged = await file('ragged.jsonl', '{"ids":[1,2]}\n{"ids":[1]}\n');
    await expect(feedOf(ragged, await bare('length'))).rejects.toThrow(
      /sample 2 has 1 tokens and others 2, .* takes no attention_mask/,
    );
    await expect(feedOf(ragged, await bare(1))).rejects.toThrow(
      /sample 1 has 2 tokens, .* takes 1/,
    );
    const vit = fileURLToPath(new URL('../../test/fixtures/encoders/vit', import.meta.url));
    await expect(feedOf(ragged, vit)).rejects.toThrow(/token ids need a model with input_ids/);
  });
});
