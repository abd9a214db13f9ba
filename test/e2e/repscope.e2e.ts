// The packaged extension as a user meets it, in a real VS Code, from a line of code to a plot.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { descendants } from './processes.ts';
import { startSession, type Session } from './session.ts';
import { eventually, PATIENCE_MS, type Workbench } from './workbench.ts';

const demo = 'classify.py';
const model = 'mlp-seed0.onnx';
const other = 'mlp-seed1.onnx';
const broken = 'broken.py';

let session: Session;
let workbench: Workbench;

beforeAll(async () => {
  session = await startSession(demo);
  workbench = session.workbench;
});

afterEach(async ({ task }) => {
  const failed = task.result?.state === 'fail';
  if (failed) await session.screenshot(`failed-${task.name.replace(/\W+/g, '-')}`);
  await workbench.settle();
});

afterAll(() => session.stop());

/** From the palette to the last question before the run. */
async function chooseAnalysis(id: string): Promise<void> {
  await workbench.run('Repscope: Analyze Model…');
  await workbench.pick(model);
  await workbench.pick(new RegExp(`\\b${id}\\b`));
}

async function analyze(id: string): Promise<void> {
  await chooseAnalysis(id);
  await workbench.pick('Run with defaults');
}

/** A run that lasts minutes if nobody ends it. */
async function startLongRun(): Promise<void> {
  await chooseAnalysis('cka');
  await workbench.pick('Change parameters…');
  for (const name of parametersOfCka) {
    await workbench.answer(name, name === 'permutations' ? '100000' : undefined);
  }
  await workbench.pick(/^Run/);
  await progress().waitFor({ timeout: PATIENCE_MS });
}

const parametersOfCka = [
  'kernel',
  'bandwidth',
  'estimator',
  'batch',
  'permutations',
  'bootstrap',
  'seed',
];

const progress = () =>
  workbench.toast(model).filter({ has: workbench.page.locator('.progress-bit') });

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
    expect(text).toContain(model);
    expect(text).toMatch(/params|parameters/);
    await session.screenshot('hover-dark');
  });

  it('marks models that are missing or cut short', async () => {
    await workbench.open(broken);
    const squiggles = workbench.editor(broken).locator('.squiggly-error, .squiggly-warning');
    await eventually('two squiggles', async () => (await squiggles.count()) >= 2);
    await session.screenshot('diagnostics-dark');
    await workbench.run('View: Close Editor');
  });
});

describe('an analysis from the palette', () => {
  it('shows its progress, then the heatmap', async () => {
    await analyze('cka');
    await progress().waitFor({ timeout: PATIENCE_MS });
    const page = await workbench.webview('article.result canvas');
    expect(await page.locator('h1').first().innerText()).toMatch(/cka/i);
    await progress().waitFor({ state: 'hidden', timeout: PATIENCE_MS });
    await session.screenshot('heatmap-dark');
  });

  it('has a table twin whose diagonal is 1', async () => {
    const page = await workbench.webview('article.result canvas');
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
    await workbench.webview('article.result canvas');
    await session.screenshot('profile-dark');
  });
});

describe('a comparison of two models', () => {
  it('shows them layer by layer', async () => {
    await workbench.run('Repscope: Compare Models…');
    await workbench.pick(model);
    await workbench.pick(other);
    await workbench.tab(other).waitFor({ timeout: PATIENCE_MS });
    const page = await workbench.webview('article.result canvas');
    await page.getByText(other).first().waitFor({ timeout: PATIENCE_MS });
    await session.screenshot('comparison-dark');
  });
});

describe('a long run', () => {
  it('ends without a result when it is cancelled', async () => {
    const before = await workbench.tab(model).count();
    await startLongRun();
    await progress().getByText('Cancel', { exact: true }).click();
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
    await session.screenshot('worker-killed-dark');
    await workbench.settle();

    await analyze('spectrum');
    await workbench.tab('spectrum').waitFor({ timeout: PATIENCE_MS });
    await workbench.webview('article.result canvas');
    expect(await workers()).not.toContain(worker);
  });
});

describe('our pages', () => {
  it('reported no error and nothing that their policy refused', () => {
    expect(session.pageProblems).toEqual([]);
  });
});
