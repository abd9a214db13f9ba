import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { damaged, succeeds } from '../bytes/mutate.ts';
import { openFeed } from '../capture/feed.ts';
import { openModel } from '../models/open.ts';
import { GraphBuilder } from '../onnx/graph-builder.ts';
import { readTable } from './table.ts';
import { textProbeOf } from './text.ts';
import { holdsIds, tokenProbeOf } from './token-ids.ts';
import { readWav, resample } from './wav.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'repscope-'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Layout {
  code?: number;
  channels?: number;
  rate?: number;
  bits: number;
}

/** A WAVE file around raw sample bytes, with a chunk of odd length before the data. */
function wav(data: Buffer, { code = 1, channels = 1, rate = 8000, bits }: Layout): Buffer {
  const chunk = (name: string, body: Buffer) => {
    const head = Buffer.alloc(8);
    head.write(name, 'latin1');
    head.writeUInt32LE(body.length, 4);
    return Buffer.concat([head, body, Buffer.alloc(body.length % 2)]);
  };
  const format = Buffer.alloc(16);
  format.writeUInt16LE(code, 0);
  format.writeUInt16LE(channels, 2);
  format.writeUInt32LE(rate, 4);
  format.writeUInt16LE(bits, 14);
  const body = Buffer.concat([
    Buffer.from('WAVE'),
    chunk('fmt ', format),
    chunk('LIST', Buffer.from('odd')),
    chunk('data', data),
  ]);
  return chunk('RIFF', body);
}

const pcm16 = (values: readonly number[]) => {
  const data = Buffer.alloc(2 * values.length);
  values.forEach((value, index) => data.writeInt16LE(value, 2 * index));
  return data;
};

const tone = (hertz: number, rate: number, length: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * hertz * i) / rate));

describe('reads', () => {
  // −1/2, 0, 1/4 in every format.
  const float = (size: 4 | 8) => {
    const data = Buffer.alloc(3 * size);
    [-0.5, 0, 0.25].forEach((value, index) => {
      if (size === 4) data.writeFloatLE(value, 4 * index);
      else data.writeDoubleLE(value, 8 * index);
    });
    return data;
  };
  test.each([
    [{ bits: 8 }, Buffer.from([64, 128, 160])],
    [{ bits: 16 }, pcm16([-16384, 0, 8192])],
    [{ bits: 24 }, Buffer.from([0, 0, 0xc0, 0, 0, 0, 0, 0, 0x20])],
    [{ bits: 32 }, Buffer.from([0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0x20])],
    [{ bits: 32, code: 3 }, float(4)],
    [{ bits: 64, code: 3 }, float(8)],
  ])('%j', (layout, data) => {
    const { rate, samples } = readWav('a.wav', wav(data, layout));
    expect(rate).toBe(8000);
    expect([...samples]).toEqual([-0.5, 0, 0.25]);
  });

  test('two channels as their mean', () => {
    const data = pcm16([16384, 0, -8192, -8192]);
    expect([...readWav('a.wav', wav(data, { bits: 16, channels: 2 })).samples]).toEqual([
      0.25, -0.25,
    ]);
  });

  test('a recording that was cut off, to its end', () => {
    const whole = wav(pcm16([1, 2, 3, 4]), { bits: 16 });
    expect(readWav('a.wav', whole.subarray(0, whole.length - 4)).samples).toHaveLength(2);
  });
});

describe('resampling', () => {
  test.each([
    [44100, 16000, 440],
    [8000, 16000, 1000],
    [16000, 22050, 3000],
  ])('%d to %d Hz keeps a tone of %d Hz', (from, to, hertz) => {
    const { rate, samples } = resample({ rate: from, samples: tone(hertz, from, from / 5) }, to);
    expect(rate).toBe(to);
    expect(samples).toHaveLength(Math.ceil(to / 5));
    const exact = tone(hertz, to, samples.length);
    const middle = Array.from(samples.keys()).slice(200, -200);
    const worst = middle.reduce((most, i) => Math.max(most, Math.abs(samples[i]! - exact[i]!)), 0);
    expect(worst).toBeLessThan(0.01);
  });

  test('removes what the lower rate cannot hold', () => {
    const { samples } = resample({ rate: 44100, samples: tone(15000, 44100, 8820) }, 16000);
    expect(Math.max(...samples.subarray(200, -200).map(Math.abs))).toBeLessThan(0.01);
  });
});

describe('feeds', () => {
  async function model(name: string, shape: (number | string)[], config?: object) {
    const path = await mkdtemp(join(folder, `${name}-`));
    const builder = new GraphBuilder('g');
    const x = builder.input('input_values', 'float32', shape);
    builder.output(builder.op('Abs', [x], {}, 'y'), 'float32', shape);
    writeFileSync(join(path, 'model.onnx'), builder.finish());
    if (config) writeFileSync(join(path, 'preprocessor_config.json'), JSON.stringify(config));
    return openModel(join(path, 'model.onnx'));
  }
  async function recordings(files: Record<string, Buffer>) {
    const path = await mkdtemp(join(folder, 'wavs-'));
    for (const [name, bytes] of Object.entries(files)) {
      await mkdir(join(path, name, '..'), { recursive: true });
      writeFileSync(join(path, name), bytes);
    }
    return path;
  }
  const short = wav(pcm16([8192, -8192]), { bits: 16 });
  const long = wav(pcm16([16384, 0, 0, -16384]), { bits: 16 });

  test('a folder, filled up to the longest, with labels', async () => {
    const path = await recordings({ 'low/a.wav': short, 'high/b.wav': long });
    const feed = await openFeed(await model('free', ['batch', 'samples']), path, '.');
    expect(feed).toMatchObject({ n: 2, labels: ['high', 'low'] });
    expect(feed.description).toContain('8000 Hz (as recorded)');
    const { data, dims } = (await feed.batch(0, 2)).feeds['input_values']!;
    expect(dims).toEqual([2, 4]);
    expect(Array.from(data)).toEqual([0.5, 0, 0, -0.5, 0.25, -0.25, 0, 0]);
  });

  test('at the rate of the feature extractor, normalised, cut to the length of the model', async () => {
    const path = await recordings({ 'a.wav': short, 'b.wav': long });
    const config = { sampling_rate: 16000, do_normalize: true };
    const feed = await openFeed(await model('fixed', ['batch', 1, 3], config), path, '.');
    const { data, dims } = (await feed.batch(1, 2)).feeds['input_values']!;
    expect(dims).toEqual([1, 1, 3]);
    const values = Array.from(data as Float32Array);
    expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 5);
    expect(values.reduce((sum, value) => sum + value ** 2, 0) / 3).toBeCloseTo(1, 4);
  });

  test('refuses rates that differ, and models of something else', async () => {
    const other = wav(pcm16([1, 2]), { bits: 16, rate: 16000 });
    const path = await recordings({ 'a.wav': short, 'b.wav': other });
    const free = await model('free', ['batch', 'samples']);
    await expect(openFeed(free, path, '.')).rejects.toThrow(/b\.wav: has 16000 Hz and a\.wav 8000/);
    const spectrogram = await model('mel', ['batch', 80, 3000]);
    await expect(openFeed(spectrogram, path, '.')).rejects.toThrow(/recordings need a model/);
  });
});

describe('refuses', () => {
  test.each([
    ['no WAVE file', Buffer.from('RIFFxxxxAVI '), /not a WAVE file/],
    ['compressed', wav(pcm16([1]), { bits: 16, code: 85 }), /compressed/],
    ['12 bits', wav(pcm16([1]), { bits: 12 }), /12 bits/],
    ['no channels', wav(pcm16([1]), { bits: 16, channels: 0 }), /0 channels/],
    ['no rate', wav(pcm16([1]), { bits: 16, rate: 0 }), /rate of 0 Hz/],
    ['silence without length', wav(Buffer.alloc(0), { bits: 16 }), /holds no sound/],
    ['NaN', wav(Buffer.from([0, 0, 0xc0, 0x7f]), { bits: 32, code: 3 }), /is no number/],
  ])('%s', (_what, bytes, words) => {
    expect(() => readWav('a.wav', bytes)).toThrow(words);
  });
});

describe('damaged files give an error for users or a sound probe', () => {
  test('.wav', async () => {
    const sound = wav(pcm16(Array.from({ length: 40 }, (_, i) => 100 * i)), { bits: 16 });
    const outcomes = new Set<boolean>();
    await fc.assert(
      fc.asyncProperty(damaged(sound), async (bytes) => {
        outcomes.add(await succeeds(() => Promise.resolve().then(() => readWav('a.wav', bytes))));
      }),
      { numRuns: 2000, seed: 1 },
    );
    expect(outcomes).toEqual(new Set([true, false]));
  });

  const samples = {
    'a.jsonl': '{"text":"one","label":"x"}\n{"text":"two","label":"y"}\n{"text":"é","label":1}\n',
    'b.jsonl': '{"ids":[1,2,3]}\n{"ids":[4,5]}\n',
    'c.csv': 'text,label\n"one, two",x\nthree,y\n',
    'd.tsv': 'text\tlabel\none\tx\nthree\ty\n',
    'e.txt': 'one\ntwo\nthree\n',
  };
  test.each(Object.entries(samples))('%s', async (name, content) => {
    const path = join(folder, name);
    const outcomes = new Set<boolean>();
    const open = async () => {
      const table = await readTable(path);
      return holdsIds(table) ? tokenProbeOf(table, {}) : textProbeOf(table, {});
    };
    await fc.assert(
      fc.asyncProperty(damaged(Buffer.from(content)), async (bytes) => {
        writeFileSync(path, bytes);
        outcomes.add(await succeeds(open));
      }),
      { numRuns: 300, seed: 1 },
    );
    expect(outcomes).toEqual(new Set([true, false]));
  });
});
