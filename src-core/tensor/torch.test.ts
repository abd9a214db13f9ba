import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModel } from '../models/open.ts';
import { openMatrix } from './matrix-file.ts';
import { openTorch } from './torch.ts';

// Checkpoints and values by PyTorch, hostile pickles by hand: make.py beside them.
const fixtures = fileURLToPath(new URL('../../test/fixtures/torch/', import.meta.url));
const expected = JSON.parse(await readFile(join(fixtures, 'expected.json'), 'utf8')) as Record<
  string,
  Record<string, { shape: number[]; values: number[] }>
>;
const at = (name: string) => join(fixtures, name);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'torch-'));
});
afterAll(() => rm(folder, { recursive: true }));

const cases = Object.entries(expected).flatMap(([file, tensors]) =>
  Object.keys(tensors).map((name) => [file, name] as const),
);

test.each(cases)('%s: %s has PyTorch’s values', async (name, key) => {
  const { shape, values } = expected[name]![key]!;
  const file = await openTorch(at(name));
  try {
    const tensor = file.tensors.get(key)!;
    expect(tensor.shape).toEqual(shape);
    expect(Array.from(await tensor.elements(0, values.length))).toEqual(values);
    if (values.length > 3) {
      const middle = await tensor.elements(2, values.length - 1);
      expect(Array.from(middle)).toEqual(values.slice(2, -1));
    }
  } finally {
    await file.close();
  }
});

test('a view with strides is a matrix read by rows', async () => {
  const { values } = expected['state.pt']!['transposed']!;
  const matrix = await openMatrix('state.pt#transposed', fixtures);
  expect([matrix.n, matrix.d, matrix.dtype]).toEqual([4, 6, 'float32']);
  expect(Array.from(await matrix.rows(1, 3))).toEqual(values.slice(6, 18));
  await matrix.close();
});

describe('outlines', () => {
  test('a state dict', async () => {
    const { outline } = await openModel(at('state.pt'));
    expect(outline).toMatchObject({
      format: 'torch',
      name: 'state',
      runnable: false,
      findings: [],
    });
    expect(outline.tensors.map(({ name }) => name)).toEqual(Object.keys(expected['state.pt']!));
    expect(outline.tensors.find(({ name }) => name === 'bf16')).toEqual({
      name: 'bf16',
      dtype: 'bfloat16',
      shape: [6, 4],
      bytes: 48,
    });
  });

  test('parameters leave out the optimizer and count tied weights once', async () => {
    const { outline } = await openModel(at('nested.pt'));
    const names = outline.tensors.map(({ name }) => name);
    expect(names).toContain('optimizer.state.0.exp_avg');
    expect(names).toContain('model.tied.weight');
    // Linear 4 × 3, BatchNorm of 3 (weight, bias, mean, variance), Linear 3 × 4 with bias.
    expect(outline.dtypes).toEqual({ float32: 12 + 4 * 3 + 12 + 4 });
    expect(outline.findings).toEqual([]);
  });

  test('a whole module lists its tensors and names its classes', async () => {
    const { outline } = await openModel(at('module.pt'));
    expect(outline.tensors.map(({ name }) => name)).toContain('1.running_mean');
    expect(outline.findings.map(({ code, message }) => `${code}: ${message}`)).toContain(
      'unsafe-pickle: its pickle asks to run torch.nn.modules.linear.Linear; it was not run',
    );
  });

  test('sparse and 8-bit float tensors', async () => {
    expect((await openModel(at('sparse.pt'))).outline.findings).toMatchObject([
      { severity: 'info', code: 'unlisted-tensor' },
    ]);
    const matrix = openMatrix('float8.pt#f8', fixtures);
    await expect(matrix).rejects.toMatchObject({ code: 'unsupported' });
  });

  test('NaN weights are found, also in views', async () => {
    const bytes = await readFile(at('system.pt'));
    bytes.writeFloatLE(NaN, bytes.indexOf(Buffer.from('0000803f00000040', 'hex')));
    const path = join(folder, 'nan.pt');
    await writeFile(path, bytes);
    expect(await (await openModel(path)).nonFiniteTensors()).toEqual(['weight']);
    expect(await (await openModel(at('state.pt'))).nonFiniteTensors()).toEqual([]);
  });
});

describe('code that a pickle asks for is named, never run, and the rest is read', () => {
  test.each([
    ['system.pt', ['posix.system; it was not run']],
    ['eval.pt', ['builtins.eval; it was not run']],
    ['import.pt', ['antigravity.fly; it was not imported']],
    ['stack-global.pt', ['os.system; it was not run']],
    ['inst.pt', ['posix.system; it was not run']],
    ['obj.pt', ['subprocess.Popen; it was not run']],
    ['newobj.pt', ['subprocess.Popen; it was not run']],
    ['extension.pt', ['copyreg.extension 7; it was not run']],
    ['dtype-call.pt', ['torch.float32; it was not run']],
    ['chain.pt', ['builtins.getattr; it was not run', 'importlib.import_module; it was not run']],
  ])('%s', async (name, asked) => {
    const { outline } = await openModel(at(name));
    expect(outline.tensors.map((tensor) => [tensor.name, tensor.shape])).toEqual([['weight', [2]]]);
    expect(outline.findings).toHaveLength(asked.length);
    outline.findings.forEach(({ severity, code, message }, i) => {
      expect([severity, code]).toEqual(['error', 'unsafe-pickle']);
      expect(message).toContain(asked[i]!);
    });
    expect(existsSync('pwned')).toBe(false);
    const matrix = await openMatrix(`${name}#weight`, fixtures);
    expect(Array.from(await matrix.rows(0, 2))).toEqual([1, 2]);
    await matrix.close();
  });
});

describe('lies and bombs', () => {
  test.each([
    ['offset.pt', 'not-a-model', /reaches out of its storage/],
    ['negative-offset.pt', 'not-a-model', /is not described/],
    ['negative-stride.pt', 'not-a-model', /is not described/],
    ['huge.pt', 'not-a-model', /reaches out of its storage/],
    ['expand-bomb.pt', 'not-a-model', /reaches out of its storage/],
    ['short-storage.pt', 'truncated', /needs 36 bytes/],
    ['escape.pt', 'not-a-model', /numbers of tensor weight are missing/],
    ['missing.pt', 'not-a-model', /numbers of tensor weight are missing/],
    ['strings.pt', 'not-a-model', /is not described/],
    ['bomb.pt', 'unsupported', /inflates to 80000003 bytes/],
    ['operations.pt', 'not-a-model', /more than 5000000 operations/],
    ['deep.pt', 'not-a-model', /nested deeper/],
    ['integer.pt', 'not-a-model', /an integer of/],
    ['memo.pt', 'not-a-model', /recalls/],
    ['underflow.pt', 'not-a-model', /stack is empty/],
    ['script.pt', 'unsupported', /TorchScript/],
  ])('%s', async (name, code, message) => {
    const error = await openModel(at(name)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, where: at(name) });
    expect((error as Error).message).toMatch(message);
  });

  test('lists that hold themselves or multiply are walked once', async () => {
    for (const name of ['cycle.pt', 'laughs.pt']) {
      expect((await openModel(at(name))).outline.tensors).toHaveLength(1);
    }
  });

  test('compressed numbers are refused, not inflated for every range', async () => {
    const matrix = await openMatrix('deflated.pt#weight', fixtures);
    await expect(matrix.rows(0, 1)).rejects.toMatchObject({ code: 'unsupported' });
    await matrix.close();
  });

  test('a file cut short', async () => {
    const path = join(folder, 'cut.pt');
    await writeFile(path, await readFile(at('state.pt')));
    await truncate(path, 3000);
    await expect(openModel(path)).rejects.toMatchObject({ code: 'not-a-model' });
  });
});
