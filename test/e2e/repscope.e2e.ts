// The packaged extension as a user meets it, in a real VS Code, from a line of code to a plot.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LoopbackHub } from '@repscope/core/models/hub/testing.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { descendants } from './processes.ts';
import { startSession, type Session } from './session.ts';
import { eventually, PATIENCE_MS, type Workbench } from './workbench.ts';

const demo = 'classify.py';
const model = 'mlp-seed0.onnx';
const other = 'mlp-seed1.onnx';
const broken = 'broken.py';

const models = new URL('../../examples/digits/models/', import.meta.url);

let session: Session;
let workbench: Workbench;
let hub: LoopbackHub;
let hubCache: string;

beforeAll(async () => {
  hub = await LoopbackHub.start({
    'config.json': '{}',
    'model.onnx': await readFile(fileURLToPath(new URL(model, models))),
  });
  process.env['HF_ENDPOINT'] = hub.address;
  hubCache = await mkdtemp(join(tmpdir(), 'repscope-hub-'));
  process.env['HF_HUB_CACHE'] = hubCache;
  session = await startSession(demo);
  workbench = session.workbench;
});

afterEach(async ({ task }) => {
  const failed = task.result?.state === 'fail';
  if (failed) await session.screenshot(`failed-${task.name.replace(/\W+/g, '-')}`);
  await workbench.settle();
});

afterAll(async () => {
  await session.stop();
  await hub.stop();
  await rm(hubCache, { recursive: true });
});

/** From the palette, with the cursor in code, to the last question before the run. */
async function chooseAnalysis(id: string): Promise<void> {
  await workbench.run('View: Focus First Editor Group');
  await workbench.run('Repscope: Analyze Model…');
  await workbench.pick(model);
  await workbench.pickDescribed('Analysis to run', id);
}

async function analyze(id: string): Promise<void> {
  await chooseAnalysis(id);
  await workbench.pick('Run with defaults');
}

/** CKA of the layers with so many permutations for its null distribution, until it shows progress. */
async function startCka(permutations: number): Promise<void> {
  await chooseAnalysis('cka');
  await workbench.pick('Change parameters…');
  for (const name of ['kernel', 'bandwidth', 'estimator', 'batch']) await workbench.answer(name);
  await workbench.answer('permutations', String(permutations));
  await workbench.leave('bootstrap');
  await workbench.pick(`permutations = ${permutations}`);
  await progress().waitFor({ timeout: PATIENCE_MS });
}

/** A run that lasts minutes if nobody ends it. */
const startLongRun = () => startCka(100_000);

/** The page of the result in front, once its first plot is drawn and in view. */
async function resultPage() {
  const page = await workbench.webview('article.result canvas');
  await page.locator('canvas').first().scrollIntoViewIfNeeded();
  return page;
}

const cancelButton = () => workbench.page.locator('.monaco-button', { hasText: 'Cancel' });
const progress = () => workbench.toast(model).filter({ has: cancelButton() });

const workers = () => descendants(session.editor.pid, 'worker.mjs');

describe('beside the line that names a model', () => {
  it('shows what the model is', async () => {
    await workbench.lens(demo, 'Analyze').first().waitFor({ timeout: PATIENCE_MS });
    await workbench.lens(demo, 'Compare').first().waitFor({ timeout: PATIENCE_MS });
    await workbench
      .lens(demo, /[\d.]+K? params/)
      .first()
      .waitFor({ timeout: PATIENCE_MS });
    await session.screenshot('lens-dark');
  });

  it('tells more when the mouse rests on its name', async () => {
    const hover = await workbench.hover(demo, model);
    await hover.getByText('Analyze').first().waitFor({ timeout: PATIENCE_MS });
    const text = await hover.innerText();
    expect(text).toContain('mlp-seed0');
    expect(text).toContain('109K parameters');
    await session.screenshot('hover-dark');
  });

  it('marks models that are missing or cut short', async () => {
    await workbench.open(broken);
    const squiggles = workbench.editor(broken).locator('.squiggly-error, .squiggly-warning');
    await eventually('two squiggles', async () => (await squiggles.count()) >= 2);
    const hover = await workbench.hover(broken, 'truncated.onnx');
    await hover.getByText('ends in the middle').first().waitFor({ timeout: PATIENCE_MS });
    await session.screenshot('diagnostics-dark');
    await workbench.run('View: Close Editor');
  });
});

describe('an analysis from the palette', () => {
  it('shows its progress, then the heatmap', async () => {
    await startCka(300);
    const page = await resultPage();
    expect(await page.locator('h1').first().innerText()).toBe('Centered kernel alignment');
    await progress().waitFor({ state: 'hidden', timeout: PATIENCE_MS });
    await session.screenshot('heatmap-dark');
  });

  it('has a table twin whose diagonal is 1', async () => {
    const page = await resultPage();
    await page.getByText('Table', { exact: true }).first().click();
    const rows = page.locator('.card').first().locator('tbody tr');
    await rows.first().waitFor({ timeout: PATIENCE_MS });
    const cells = await rows.evaluateAll((all) =>
      all.map((row) => [...row.querySelectorAll('td')].map((cell) => Number(cell.title))),
    );
    expect(cells.length).toBeGreaterThan(1);
    cells.forEach((row, at) => expect(row[at]).toBeCloseTo(1, 4));
    await page.getByText('Table', { exact: true }).first().click();
  });

  it('leaves its value in the lens', async () => {
    await workbench
      .lens(demo, /cka .*0\.\d+/)
      .first()
      .waitFor({ timeout: PATIENCE_MS });
    await session.screenshot('lens-after-run-dark');
  });

  it('draws a profile over the layers', async () => {
    await analyze('intrinsic-dim');
    await workbench.tab('intrinsic-dim').waitFor({ timeout: PATIENCE_MS });
    await resultPage();
    await session.screenshot('profile-dark');
  });
});

describe('a comparison of two models', () => {
  it('shows them layer by layer', async () => {
    await workbench.run('Repscope: Compare Models…');
    await workbench.pick(model);
    await workbench.pick(other);
    await workbench.tab(other).waitFor({ timeout: PATIENCE_MS });
    const page = await resultPage();
    await page.getByText(other).first().waitFor({ timeout: PATIENCE_MS });
    await session.screenshot('comparison-dark');
  });
});

describe('a recipe', () => {
  it('runs from the palette and shows every result', async () => {
    await workbench.run('Repscope: Run Recipe');
    await workbench.pick('study.repscope.yaml');
    for (const label of [`cka · ${model}, ${other}`, /compare · .*int8/, `spectrum · ${model}`]) {
      await workbench.tab(label).first().waitFor({ timeout: PATIENCE_MS });
    }
    await resultPage();
    await session.screenshot('recipe-dark');
  });
});

describe('a long run', () => {
  it('ends without a result when it is cancelled', async () => {
    const before = await workbench.tab(model).count();
    await startLongRun();
    await session.screenshot('progress-dark');
    await cancelButton().click();
    await progress().waitFor({ state: 'hidden', timeout: PATIENCE_MS });
    expect(await workbench.tab(model).count()).toBe(before);
    expect(await workbench.toast(/./).count()).toBe(0);
  });

  it('ends with a clear error when its worker dies, and the next run works', async () => {
    await startLongRun();
    const worker = await eventually('a worker process', async () => (await workers())[0]);
    process.kill(worker, 'SIGKILL');
    const failure = workbench.toast(/worker|process/i);
    await failure.waitFor({ timeout: PATIENCE_MS });
    const text = await failure.innerText();
    expect(text).not.toMatch(/\bat .*:\d+:\d+|undefined|\[object/);
    await progress().waitFor({ state: 'hidden', timeout: PATIENCE_MS });
    await session.screenshot('worker-killed-dark');
    await workbench.settle();

    await analyze('spectrum');
    await workbench.tab('spectrum').waitFor({ timeout: PATIENCE_MS });
    await resultPage();
    expect(await workers()).not.toContain(worker);
  });
});

describe('a model of the hub', () => {
  it('is downloaded once its size is confirmed, and found from then on', async () => {
    await writeFile(join(session.folder, 'hub.py'), 'AutoModel.from_pretrained("org/model")\n');
    await workbench.open('hub.py');
    await workbench.run('Repscope: Download Model…');
    await workbench.answer('Download Model', 'org/model');
    const question = workbench.page.locator('.monaco-dialog-box', { hasText: 'org/model' });
    await question.waitFor({ timeout: PATIENCE_MS });
    expect(await question.innerText()).toMatch(/model\.onnx\s+\d+ KiB/);
    expect(hub.transfers('model.onnx')).toEqual([]);
    await session.screenshot('download-dark');
    await question.getByRole('button', { name: 'Download' }).click();
    await workbench.toast('org/model is in the local').waitFor({ timeout: PATIENCE_MS });
    await workbench
      .lens('hub.py', /params/)
      .first()
      .waitFor({ timeout: PATIENCE_MS });
    expect(hub.transfers('model.onnx')).toEqual(['hub', 'cdn']);
    await workbench.run('View: Close Editor');
  });
});

describe('a model that cannot be read', () => {
  it('is explained in the inspector', async () => {
    await workbench.open(broken);
    await workbench.run('View: Show Repscope');
    await workbench.select(/truncated.*cannot be read/);
    const page = await workbench.webview('.failure');
    const text = await page.locator('.failure').innerText();
    expect(text).toContain('truncated.onnx');
    await session.screenshot('error-dark');
  });
});

describe.each([
  ['light', 'Light Modern'],
  ['high-contrast', 'Dark High Contrast'],
])('in the %s theme', (name, theme) => {
  it('shows the same', async () => {
    await workbench.useTheme(theme);
    await session.screenshot(`error-${name}`);
    await workbench.run('View: Close Primary Side Bar');
    await workbench.open(demo);
    await workbench.lens(demo, /cka/).first().waitFor({ timeout: PATIENCE_MS });
    await session.screenshot(`lens-${name}`);
    await workbench.hover(demo, model);
    await session.screenshot(`hover-${name}`);
    for (const [shot, tab] of [
      ['heatmap', `cka · ${model}`],
      ['profile', `intrinsic-dim · ${model}`],
      ['comparison', `compare · ${model}`],
    ] as const) {
      await workbench.tab(tab).first().click();
      await resultPage();
      await session.screenshot(`${shot}-${name}`);
    }
    await workbench.run('View: Show Repscope');
  });
});

describe('a window that is loaded again', () => {
  it('brings its results back', async () => {
    await session.reopen();
    await workbench.tab(`cka · ${model}`).first().click({ timeout: PATIENCE_MS });
    await resultPage();
    await workbench.lens(demo, /cka/).first().waitFor({ timeout: PATIENCE_MS });
  });
});

describe('our pages', () => {
  it('reported no error and nothing that their policy refused', () => {
    expect(session.pageProblems).toEqual([]);
  });
});
