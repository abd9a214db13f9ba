import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { writeBadModels } from '../generate/bad-models.ts';
import { smallFileSystem, temporaryFolder } from '../support/folders.ts';
import { writeJson } from '../support/matrices.ts';
import { resultSchema } from '@repscope/core/results/schema.ts';

const main = fileURLToPath(new URL('../../src-core/cli/main.ts', import.meta.url));
const models = fileURLToPath(new URL('../../examples/digits/models/', import.meta.url));
const mlp = join(models, 'mlp-seed0.onnx');
const formulas = new URL('../fixtures/formulas/kornblith_seed1337_100x10.json', import.meta.url);
const { X, Y } = JSON.parse(readFileSync(formulas, 'utf8')) as { X: number[][]; Y: number[][] };

interface Finished {
  status: number | null;
  stdout: string;
  stderr: string;
}

interface Options {
  cwd: string;
  storage?: string;
  /** Called with what stderr holds so far. */
  onStderr?: (text: string, stop: () => void) => void;
}

function repscope(args: string[], { cwd, storage, onStderr }: Options): Promise<Finished> {
  const env = { ...process.env, REPSCOPE_STORAGE: storage ?? join(cwd, 'storage') };
  const child = spawn(process.execPath, [main, ...args], { cwd, env });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  // A second signal would end the process at once, as a second Ctrl-C does.
  let interrupted = false;
  const interrupt = () => {
    if (!interrupted) child.kill('SIGINT');
    interrupted = true;
  };
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
    onStderr?.(stderr, interrupt);
  });
  return new Promise((resolve) => {
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

function folderWithMatrices(): string {
  const cwd = temporaryFolder();
  writeJson(cwd, 'a.json', X);
  writeJson(cwd, 'b.json', Y);
  return cwd;
}

describe('analyze', () => {
  it('prints exactly one JSON result for two matrices', async () => {
    const cwd = folderWithMatrices();
    const { status, stdout, stderr } = await repscope(
      ['analyze', 'cka', 'a.json', 'b.json', '--json'],
      { cwd },
    );
    expect(status).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    const result = resultSchema.parse(JSON.parse(stdout));
    expect(result.values['cka']).toBeCloseTo(0.5134564895, 9);
    expect(result.inputs.map((input) => input.uri)).toEqual(['a.json', 'b.json']);
    expect(stderr).toMatch(/stored as run \w+/);
  });

  it('captures a model, stores the run, shows it again, writes a report', async () => {
    const cwd = temporaryFolder();
    const first = await repscope(['analyze', 'cka', mlp, '--json', '--html', 'out.html'], { cwd });
    expect(first.stderr).toMatch(/stored as run/);
    const result = resultSchema.parse(JSON.parse(first.stdout));
    const cka = result.values['cka'] as number[][];
    expect(cka.length).toBe(result.inputs.length);
    cka.forEach((row, index) => expect(row[index]).toBe(1));
    expect(readFileSync(join(cwd, 'out.html'), 'utf8')).toContain('repscope-results');

    const again = await repscope(['analyze', 'cka', mlp, '--json'], { cwd });
    expect((JSON.parse(again.stdout) as typeof result).values).toEqual(result.values);

    const runs = JSON.parse((await repscope(['runs', '--json'], { cwd })).stdout) as {
      id: string;
    }[];
    expect(runs).toHaveLength(2);
    const shown = await repscope(['show', runs[1]!.id, '--json'], { cwd });
    expect(JSON.parse(shown.stdout)).toEqual(result);
  });

  it('stops with 130 on Ctrl-C', async () => {
    const cwd = folderWithMatrices();
    const args = ['analyze', 'cka', 'a.json', 'b.json', '--set', 'permutations=1000000'];
    const { status, stdout, stderr } = await repscope(args, {
      cwd,
      onStderr: (text, stop) => text.includes('Comparing') && stop(),
    });
    expect(status).toBe(130);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/repscope: cancelled\n$/);
  });
});

it('compares a model with its int8 twin', async () => {
  const cwd = temporaryFolder();
  const args = ['compare', mlp, join(models, 'mlp-seed0-int8.onnx'), '--json'];
  const { status, stdout } = await repscope(args, { cwd });
  expect(status).toBe(0);
  const { values } = resultSchema.parse(JSON.parse(stdout));
  const cosine = values['cosine'] as number[];
  expect(cosine.length).toBe((values['cka'] as unknown[]).length);
  for (const value of cosine) expect(value).toBeGreaterThan(0.99);
  for (const value of values['sqnr'] as number[]) expect(value).toBeGreaterThan(10);
});

it('captures layers to a file that is a matrix input again', async () => {
  const cwd = temporaryFolder();
  const capture = await repscope(['capture', mlp, '--out', 'rows.safetensors'], { cwd });
  expect(capture.status).toBe(0);
  const layer = capture.stdout.split('\n')[2]!.split(' ')[0]!;
  const analyze = await repscope(['analyze', 'spectrum', `rows.safetensors#${layer}`, '--json'], {
    cwd,
  });
  const { values } = resultSchema.parse(JSON.parse(analyze.stdout));
  expect(values['participationRatio']).toBeGreaterThan(1);
});

it('inspects weights and analyses one of their tensors', async () => {
  const cwd = temporaryFolder();
  const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
  const { stdout } = await repscope(['inspect', fixture('torch/system.pt')], { cwd });
  expect(stdout).toMatch(/^error +its pickle asks to run posix\.system; it was not run$/m);
  expect(stdout).toMatch(/^weight +float32 +2 +8 B$/m);
  const input = `${fixture('torch/state.pt')}#transposed`;
  const analyze = await repscope(['analyze', 'spectrum', input, '--json'], { cwd });
  expect(analyze.status).toBe(0);
  const { inputs } = resultSchema.parse(JSON.parse(analyze.stdout));
  expect(inputs[0]).toMatchObject({ shape: [4, 6], dtype: 'float32' });
});

describe('bad input', () => {
  const cases: [name: string, args: string[], status: number, line: RegExp][] = [
    ['an absent model', ['analyze', 'cka', 'none.onnx'], 2, /none\.onnx: no such file/],
    ['an empty model', ['analyze', 'cka', 'empty.onnx'], 2, /empty\.onnx: the file is empty/],
    [
      'a truncated model',
      ['inspect', 'truncated.onnx'],
      2,
      /truncated\.onnx: .*(truncated|ends|bytes)/,
    ],
    ['text named .onnx', ['inspect', 'renamed.onnx'], 2, /renamed\.onnx: /],
    ['a folder named .onnx', ['inspect', 'directory.onnx'], 2, /directory\.onnx: /],
    ['NaN weights', ['analyze', 'cka', 'nan-weights.onnx'], 1, /nan-weights\.onnx: .*NaN/],
    ['an unknown layer', ['analyze', 'cka', mlp, '--layers', 'nope*'], 2, /nope\*/],
    [
      'a probe of the wrong shape',
      ['analyze', 'cka', mlp, '--probe', 'a.json'],
      2,
      /probe 'a\.json'.*10 values/,
    ],
    ['text for an image model', ['analyze', 'cka', mlp, '--probe', 'text'], 2, /tokenizer/],
    ['too few samples', ['analyze', 'cka', 'three.json', 'three.json'], 2, /three\.json|samples/],
    ['different sample counts', ['analyze', 'cka', 'a.json', 'three.json'], 2, /100.*3|3.*100/],
    ['one matrix where two are compared', ['analyze', 'cka', 'a.json'], 2, /a\.json/],
    ['an unknown analysis', ['analyze', 'ckaa', 'a.json'], 2, /ckaa.*cka/],
    ['an unknown parameter', ['analyze', 'cka', 'a.json', 'b.json', '--set', 'x=1'], 2, /x/],
    ['an unknown option', ['analyze', 'cka', 'a.json', 'b.json', '--nope'], 2, /--nope/],
    ['an unknown command', ['frobnicate'], 2, /frobnicate/],
    [
      'labels where none are taken',
      ['analyze', 'cka', 'a.json', 'b.json', '--labels', 'x'],
      2,
      /labels/,
    ],
    ['an unknown run', ['show', 'zzzz'], 2, /zzzz/],
    [
      'a report into a missing folder',
      ['analyze', 'cka', 'a.json', 'b.json', '--html', 'no/x.html'],
      1,
      /no\/x\.html/,
    ],
    [
      'a device that is not there',
      ['analyze', 'cka', 'a.json', 'b.json', '--device', 'cuda'],
      1,
      /cuda/,
    ],
  ];

  it.each(cases)('%s: one line, and an exit status', async (_, args, status, line) => {
    const cwd = folderWithMatrices();
    writeBadModels(cwd);
    writeJson(cwd, 'three.json', X.slice(0, 3));
    const finished = await repscope(args, { cwd });
    const lines = finished.stderr
      .trim()
      .split('\n')
      .filter((text) => !/^\d+% /.test(text));
    expect(lines.at(-1)).toMatch(/^repscope: .+: .+; .+$/);
    expect(lines.at(-1)).toMatch(line);
    expect(lines.length, finished.stderr).toBe(
      status === 1 && args.includes('--html') ? lines.length : 1,
    );
    expect(finished.status).toBe(status);
  });

  it('warns about constant units and writes null for what is undefined', async () => {
    const cwd = folderWithMatrices();
    writeJson(
      cwd,
      'constant.json',
      X.map(() => [1, 2]),
    );
    const { status, stdout } = await repscope(
      ['analyze', 'cka', 'constant.json', 'b.json', '--json'],
      { cwd },
    );
    const { values, warnings } = resultSchema.parse(JSON.parse(stdout));
    expect(status).toBe(0);
    expect(values['cka']).toBeNull();
    expect(warnings.join()).toMatch(/constant/);
  });

  it('still prints a result that cannot be stored', async () => {
    const cwd = folderWithMatrices();
    writeFileSync(join(cwd, 'blocked'), '');
    const args = ['analyze', 'cka', 'a.json', 'b.json', '--json'];
    const { status, stdout, stderr } = await repscope(args, {
      cwd,
      storage: join(cwd, 'blocked', 'in'),
    });
    expect(status).toBe(0);
    expect(resultSchema.parse(JSON.parse(stdout)).values['cka']).toBeCloseTo(0.5134564895, 9);
    expect(stderr).toMatch(/not stored: .*blocked.*REPSCOPE_STORAGE/);
  });

  it('warns where the activation cache cannot be written, and keeps no half file', async (context) => {
    const small = smallFileSystem(64);
    if (small === undefined)
      return context.skip('mounting a small file system is not allowed here');
    const cwd = temporaryFolder();
    mkdirSync(join(small, 'activations'));
    chmodSync(small, 0o755);
    const { status, stdout, stderr } = await repscope(['analyze', 'cka', mlp, '--json'], {
      cwd,
      storage: small,
    });
    expect(status, stderr).toBe(0);
    const { warnings } = resultSchema.parse(JSON.parse(stdout));
    expect(warnings.join()).toMatch(/not kept.*(space|full)/);
  });
});

it('ends quietly where its reader has seen enough', async () => {
  const child = spawn(process.execPath, [main, 'list', '--json'], { stdio: 'pipe' });
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  child.stdout.once('readable', () => child.stdout.destroy());
  const status = await new Promise((resolve) => child.on('close', resolve));
  expect([status, stderr]).toEqual([0, '']);
});

describe('run', () => {
  const recipe = (cwd: string, text: string) => {
    const file = join(cwd, 'study.repscope.yaml');
    writeFileSync(file, text);
    return file;
  };

  it('runs the example study: every result stored, one page with all plots', async () => {
    const cwd = temporaryFolder();
    const study = readFileSync(join(models, '..', 'study.repscope.yaml'), 'utf8');
    const file = recipe(cwd, study.replaceAll('models/', models));
    const { status, stdout, stderr } = await repscope(['run', file, '--json'], { cwd });
    expect(stderr).toMatch(/quantised: .*\n/);
    expect(status).toBe(0);
    const answer = JSON.parse(stdout) as {
      analyses: { name: string; run: string; result: unknown }[];
    };
    expect(answer.analyses.map(({ name }) => name)).toEqual(['seeds', 'quantised', 'spectrum']);
    const results = answer.analyses.map(({ result }) => resultSchema.parse(result));
    expect(results[0]!.interval!.bootstrap).toBe(100);
    const runs = JSON.parse((await repscope(['runs', '--json'], { cwd })).stdout) as {
      id: string;
    }[];
    expect(runs.map(({ id }) => id).sort()).toEqual(answer.analyses.map(({ run }) => run).sort());
    const page = readFileSync(join(cwd, 'study.html'), 'utf8');
    const data = /id="repscope-results">(.*?)<\/script>/s.exec(page)![1]!;
    expect((JSON.parse(data) as { name: string }[]).map(({ name }) => name)).toEqual(
      answer.analyses.map(({ name }) => name),
    );

    // Identical to the same analysis by hand.
    const byHand = await repscope(['analyze', 'spectrum', mlp, '--probe', 'digits', '--json'], {
      cwd,
    });
    expect(resultSchema.parse(JSON.parse(byHand.stdout)).values).toEqual(results[2]!.values);
  });

  it('goes on after an analysis that fails, and says so at the end', async () => {
    const cwd = folderWithMatrices();
    writeJson(cwd, 'short.json', X.slice(0, 3));
    const file = recipe(
      cwd,
      'analyses:\n  - { name: bad, analysis: cka, inputs: [a.json, short.json] }\n  - { analysis: cka, inputs: [a.json, b.json] }\n',
    );
    const { status, stdout, stderr } = await repscope(['run', file, '--json'], { cwd });
    expect(status).toBe(1);
    expect(stderr).toMatch(/bad: .*short\.json/);
    expect(stderr.trim().split('\n').at(-1)).toMatch(/1 of 2 analyses failed: bad/);
    const { analyses } = JSON.parse(stdout) as {
      analyses: { run: string | null; error?: { where: string }; result?: unknown }[];
    };
    expect(analyses[0]).toMatchObject({
      run: null,
      error: { what: expect.any(String) as unknown },
    });
    expect(resultSchema.parse(analyses[1]!.result).values['cka']).toBeCloseTo(0.5134564895, 9);
  });

  it.each([
    ['analyses: [{ analysis: ckaa, inputs: a.npy }]', /study\.repscope\.yaml:1:24: .*ckaa/],
    ['analyses: [{ analysis: spectrum, inputs: none.npy }]', /none\.npy: no such file/],
  ])('refuses %j before anything runs', async (text, message) => {
    const cwd = temporaryFolder();
    const { status, stderr, stdout } = await repscope(['run', recipe(cwd, text)], { cwd });
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});
