import { copyFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModel } from './open.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/', import.meta.url));
const cnn = join(fixtures, 'onnx', 'cnn.onnx');
const checkpoint = join(fixtures, 'minilm', 'tiny-f32');

const archive = await readFile(join(fixtures, 'tensors', 'stored.npz'));
const legacy = await readFile(join(fixtures, 'torch', 'legacy.pt'));

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'open-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function place(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}
const format = async (path: string) => (await openModel(path)).outline.format;

test('content decides, not the name', async () => {
  expect(await format(await place('really-onnx.safetensors', await readFile(cnn)))).toBe('onnx');
  const weights = await readFile(join(fixtures, 'tensors', 'all.safetensors'));
  expect(await format(await place('really-weights.onnx', weights))).toBe('safetensors');
});

describe('what is not a model is named', () => {
  const text = 'const x = 1; // a file of source text\n'.repeat(10);
  test.each<[string, string | Uint8Array, RegExp]>([
    ['zip', archive, /is a zip archive; unpack it$/],
    ['checkpoint', 'PK\x03\x04' + 'archive/data.pkl', /is not a readable zip archive/],
    ['legacy', legacy, /the format before PyTorch 1\.6/],
    [
      'pickle',
      Uint8Array.of(0x80, 0x04, 0x95, 0, 0, 0, 0, 0, 0, 0),
      /is a pickle, which Repscope never loads/,
    ],
    ['lfs', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\n', /run git lfs pull$/],
    ['html', '\n<!DOCTYPE html><html><body>404</body></html>', /is a web page/],
    ['json', '{"error": "Repository not found, or private"}', /is JSON text/],
    ['text', text, /is plain text/],
    ['zeros', new Uint8Array(5000), /holds only zero bytes/],
    ['npy', '\x93NUMPY', /is a NumPy array, not a model/],
    ['noise', Uint8Array.of(0xfe, 0xed, 0xfa, 0xce, 1, 2, 3), /of no format that Repscope reads/],
  ])('%s', async (name, content, message) => {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
    const path = await place(`${name}.onnx`, bytes);
    const error = await openModel(path).catch((reason: unknown) => reason);
    const code = /^(pickle|legacy)$/.test(name) ? 'unsupported' : 'not-a-model';
    expect(error).toMatchObject({ code, where: path });
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('\n');
  });
});

test('missing and empty', async () => {
  await expect(openModel(join(folder, 'none.onnx'))).rejects.toMatchObject({ code: 'missing' });
  await expect(openModel(await place('empty.onnx', ''))).rejects.toMatchObject({ code: 'empty' });
});

test('a folder is a checkpoint, or holds one model', async () => {
  expect(await format(checkpoint)).toBe('huggingface');
  expect(await format(join(checkpoint, 'model.safetensors'))).toBe('huggingface');
  const one = join(folder, 'one');
  await mkdir(join(one, 'onnx'), { recursive: true });
  await expect(openModel(one)).rejects.toMatchObject({ code: 'not-a-model' });
  await copyFile(cnn, join(one, 'a.onnx'));
  expect((await openModel(one)).outline.name).toBe('a');
  await copyFile(cnn, join(one, 'b.onnx'));
  await expect(openModel(one)).rejects.toThrow(/holds 2 models; name one of a\.onnx, b\.onnx/);
  await copyFile(cnn, join(one, 'onnx', 'model.onnx'));
  expect((await openModel(one)).outline.path).toBe(join(one, 'onnx', 'model.onnx'));
});

test('weights alone are outlined but not run', async () => {
  const path = join(folder, 'model.safetensors');
  await cp(join(checkpoint, 'model.safetensors'), path);
  const whole = await openModel(checkpoint);
  const model = await openModel(path);
  expect(model.outline).toMatchObject({ format: 'safetensors', runnable: false, layers: [] });
  expect(model.outline.tensors).toEqual(whole.outline.tensors);
  await expect(model.graph([])).rejects.toMatchObject({ code: 'unsupported' });
  expect(await model.nonFiniteTensors()).toEqual([]);
});

test('NaN and infinite weights are named', async () => {
  const bytes = await readFile(join(fixtures, 'tensors', 'all.safetensors'));
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  bytes.writeFloatLE(NaN, 8 + length + header['f4']!.data_offsets[0]);
  bytes.writeUInt16LE(0x7c00, 8 + length + header['f2']!.data_offsets[1] - 2);
  const model = await openModel(await place('nan.safetensors', bytes));
  expect((await model.nonFiniteTensors()).sort()).toEqual(['f2', 'f4']);
});
