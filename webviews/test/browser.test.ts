// The built bundles in a real browser, under the policy the editor sets.
import { createServer, type Server } from 'node:http';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FromWebview, WebviewState } from '@repscope/core/protocol/webview.ts';
import { exportResult } from '@repscope/core/results/export.ts';
import { provideChromium } from '../../test/vscode/chromium.ts';
import { themes, webviewHtml, type Host, type ThemeClass } from './page.ts';
import { heatmapOf, inspectorStates, layers, panelStates, results } from './samples.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bundles = join(root, 'dist', 'webviews');
const screenshots = join(root, 'build', 'screenshots', 'webviews');
const axeFile = join(root, 'node_modules', 'axe-core', 'axe.min.js');

const widths = [320, 1200];

/** Polls until the machine, however busy, has caught up. */
const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 20_000 });

let browser: Browser;
let server: Server;
let origin: string;
let folder: string;
/** Documents by path, besides the bundles. */
const documents = new Map<string, string>();

beforeAll(async () => {
  await refuseStaleBundles();
  await mkdir(screenshots, { recursive: true });
  folder = await mkdtemp(join(tmpdir(), 'repscope-webviews-'));
  server = createServer((request, response) => {
    void serve(request.url ?? '/').then(
      ([type, body]) => response.setHeader('content-type', type).end(body),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser = await chromium.launch({
    executablePath: await provideChromium(() => undefined),
    args: ['--no-sandbox', '--disable-gpu'],
  });
});

afterAll(async () => {
  await browser.close();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

async function serve(url: string): Promise<[type: string, body: string]> {
  const { pathname } = new URL(url, origin);
  const document = documents.get(pathname);
  if (document !== undefined) return ['text/html', document];
  const type = pathname.endsWith('.css') ? 'text/css' : 'text/javascript';
  return [type, await readFile(join(bundles, pathname), 'utf8')];
}

async function refuseStaleBundles(): Promise<void> {
  const source = join(root, 'webviews', 'src');
  const built = await stat(join(bundles, 'panel.js')).catch(() => undefined);
  const names = await readdir(source, { recursive: true });
  const times = await Promise.all(
    names.map(async (name) => (await stat(join(source, name))).mtimeMs),
  );
  if (!built || built.mtimeMs < Math.max(...times)) {
    throw new Error('dist/webviews is older than webviews/src: run `npm run build` first');
  }
}

interface Opened {
  page: Page;
  /** What the page posted to its host. */
  posted: () => Promise<FromWebview[]>;
  /** Errors of the page and what its console said. */
  problems: string[];
}

async function open(
  bundle: 'panel' | 'inspector',
  state: WebviewState,
  theme: ThemeClass,
  width: number,
  host: Host = 'answers',
): Promise<Opened> {
  const path = `/page-${documents.size}.html`;
  documents.set(path, webviewHtml(bundle, origin, theme, state, host));
  const page = await browser.newPage({ viewport: { width, height: 900 } });
  const problems: string[] = [];
  page.on('console', (message) => problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(error.message));
  await page.addInitScript({ path: axeFile });
  await page.goto(origin + path);
  await drawn(page);
  const posted = (): Promise<FromWebview[]> =>
    page.evaluate(() => (globalThis as unknown as { posted: FromWebview[] }).posted);
  return { page, posted, problems };
}

/** Waits until every plot has its picture and the browser has painted it. */
async function drawn(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const plots = [...document.querySelectorAll('.plot:not([hidden])')];
    const content = document.getElementById('root')?.firstElementChild;
    return content && plots.every((plot) => plot.querySelector('canvas'));
  });
  await page.evaluate(
    () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
  );
}

/** Serious and critical findings of axe, one line each. */
async function accessibilityFindings(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
  });
}

const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** Every state in the dark theme; in the others those that show something of their own. */
function pagesIn(theme: ThemeClass): ['panel' | 'inspector', string, WebviewState][] {
  const shown = ([name]: [string, WebviewState]): boolean =>
    theme === 'vscode-dark' ||
    ['error', 'cka', 'spectrum', 'gaps', 'scalars', 'shapes', 'model'].includes(name);
  return [
    ...Object.entries(panelStates)
      .filter(shown)
      .map(([name, state]) => ['panel', name, state] as const),
    ...Object.entries(inspectorStates)
      .filter(shown)
      .map(([name, state]) => ['inspector', name, state] as const),
  ].map(([bundle, name, state]) => [bundle, name, state]);
}

describe.each(themes)('in %s', (theme) => {
  test.each(pagesIn(theme))(
    '%s, state %s: no violation, no error, no finding, no overflow',
    async (bundle, name, state) => {
      const { page, posted, problems } = await open(bundle, state, theme, widths[0]!);
      for (const width of widths) {
        await page.setViewportSize({ width, height: 900 });
        await drawn(page);
        expect(await overflow(page), `overflow at ${width}`).toBe(0);
        await page.screenshot({
          path: join(screenshots, `${bundle}-${name}-${theme}-${width}.png`),
          fullPage: true,
        });
      }
      expect(await accessibilityFindings(page)).toEqual([]);
      expect(await posted()).toEqual([{ type: 'ready' }]);
      expect(problems).toEqual([]);
      await page.close();
    },
  );
});

describe('the result panel', () => {
  test('a policy violation is posted to the host', async () => {
    const { page, posted } = await open('panel', results.numbers, 'vscode-dark', 600);
    await page.evaluate(() =>
      document.body.insertAdjacentHTML('beforeend', '<p style="color: red">styled</p>'),
    );
    await eventually(async () => (await posted()).filter(({ type }) => type === 'problem')).toEqual(
      [{ type: 'problem', message: expect.stringContaining('style-src') as string }],
    );
    await page.close();
  });

  test('restores what it showed when the host says nothing', async () => {
    const { page } = await open('panel', results.cka, 'vscode-dark', 900, 'silent');
    await eventually(() => page.locator('h1').textContent()).toBe('Centred kernel alignment');
    await page.close();
  });

  test('another result takes the place of the first and leaves nothing of it behind', async () => {
    const { page, posted, problems } = await open('panel', results.cka, 'vscode-dark', 900);
    const next = JSON.stringify({ type: 'state', state: results.scalars });
    await page.evaluate((message) => postMessage(JSON.parse(message)), next);
    await eventually(() => page.locator('h1').allTextContents()).toEqual(['Intrinsic dimension']);
    await drawn(page);
    // The plots of the first are gone: a change of size or theme must not wake them.
    await page.setViewportSize({ width: 700, height: 900 });
    await page.evaluate(() => (document.body.className = 'vscode-light'));
    await drawn(page);
    expect(await page.locator('.plot canvas').count()).toBe(2);
    expect(await posted()).toEqual([{ type: 'ready' }]);
    expect(problems).toEqual([]);
    await page.close();
  });

  test('the table twin holds the numbers of the heatmap, all digits', async () => {
    const { page } = await open('panel', results.gaps, 'vscode-light', 900);
    const table = page.getByRole('region', { name: 'Table: Similarity of layers' });
    expect(await table.count()).toBe(0);
    await page.getByRole('button', { name: 'Similarity of layers as a table' }).click();
    const shown = await table
      .locator('tbody tr')
      .evaluateAll((rows) =>
        rows.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.title)),
      );
    const { z } = heatmapOf(results.gaps.result);
    expect(shown).toEqual(
      z.map((row) => row.map((value) => (value === null ? 'NaN' : String(value)))),
    );
    await page.close();
  });

  test('works by keyboard: reach a plot, move, choose, let go', async () => {
    const { page, problems } = await open('panel', results.cka, 'vscode-dark', 1200);
    const focused = () => page.evaluate(() => document.activeElement?.className ?? '');
    for (let presses = 0; presses < 12 && (await focused()) !== 'plot'; presses++) {
      await page.keyboard.press('Tab');
    }
    expect(await focused()).toBe('plot');
    for (const key of ['ArrowRight', 'ArrowDown', 'ArrowDown', 'ArrowRight']) {
      await page.keyboard.press(key);
    }
    const { z } = heatmapOf(results.cka.result);
    const said = page.locator('[role=status].visually-hidden');
    expect(await said.textContent()).toContain(
      `${layers[2]} × ${layers[1]}: linear CKA ${z[2]![1]}`,
    );
    await page.keyboard.press('Enter');
    const readout = page.getByRole('region', { name: 'Selection' });
    expect(await readout.textContent()).toContain(String(Number(z[2]![1]!.toPrecision(6))));
    const selected = page.locator('tr.selected th');
    expect(new Set(await selected.allTextContents())).toEqual(new Set([layers[2], layers[1]]));
    await page.keyboard.press('Escape');
    expect(await selected.count()).toBe(0);
    expect(problems).toEqual([]);
    await page.close();
  });

  test('a layer chosen in the list is pointed out in every plot', async () => {
    const { page } = await open('panel', results.spectrum, 'vscode-light', 1200);
    const pictures = () =>
      page
        .locator('.plot canvas')
        .evaluateAll((list) => list.map((canvas) => (canvas as HTMLCanvasElement).toDataURL()));
    const before = await pictures();
    await page.locator('vscode-dropdown').click();
    await page.locator('vscode-option', { hasText: layers[3]! }).click();
    expect(await page.locator('tr.selected th').allTextContents()).toEqual([layers[3]]);
    await eventually(async () =>
      (await pictures()).map((picture, at) => picture !== before[at]),
    ).toEqual([true, true]);
    await page.getByRole('button', { name: 'Clear the selection' }).click();
    await eventually(pictures).toEqual(before);
    await page.close();
  });

  test('the tooltip names the point under the mouse with all digits', async () => {
    const { page, posted } = await open('panel', results.scalars, 'vscode-dark', 1200);
    const bars = page.locator('.plot').nth(1);
    const box = (await bars.boundingBox())!;
    // Where the tallest bar stands: its bin is the tenth of twenty-four.
    await page.mouse.move(box.x + box.width * 0.47, box.y + box.height * 0.6);
    const tip = bars.locator('.tooltip');
    await eventually(() => tip.textContent()).toMatch(
      /^dimensioncount\d+dimension[\d.]+ … [\d.]+$/,
    );
    expect((await posted()).map(({ type }) => type)).toEqual(['ready']);
    await page.close();
  });

  test('follows a change of theme', async () => {
    const { page } = await open('panel', results.cka, 'vscode-dark', 900);
    const picture = () =>
      page
        .locator('.plot')
        .first()
        .locator('canvas')
        .first()
        .evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
    const dark = await picture();
    await page.evaluate(() => {
      document.body.className = 'vscode-light';
      document.documentElement.style.setProperty('--vscode-editor-foreground', '#202020');
    });
    await eventually(picture).not.toBe(dark);
    await page.close();
  });

  test('pictures and exports are handed to the host', async () => {
    const { page, posted } = await open('panel', results.cka, 'vscode-dark', 900);
    for (const name of [
      'Save Similarity of layers as PNG',
      'Save Similarity of layers as SVG',
      'Export the numbers as CSV',
    ]) {
      await page.getByRole('button', { name }).click();
    }
    const [, png, svg, csv] = await posted();
    expect(csv).toEqual({ type: 'export', runId: 'r1', format: 'csv' });
    if (png?.type !== 'savePicture' || svg?.type !== 'savePicture') throw new Error('no pictures');
    expect(png.name).toBe('repscope-cka-similarity-of-layers');
    const bytes = Buffer.from(png.data, 'base64');
    expect(bytes.subarray(1, 4).toString()).toBe('PNG');
    expect(bytes.readUInt32BE(16)).toBeGreaterThan(900);
    expect(svg.data).toMatch(/^<svg [^]*embeddings[^]*<\/svg>$/);
    await page.close();
  });

  test('the error page leads to the log', async () => {
    const { page, posted } = await open('panel', panelStates['error']!, 'vscode-dark', 600);
    expect(await page.getByRole('alert').textContent()).toContain('models/digits-cnn.onnx');
    await page.getByRole('button', { name: 'Show Log' }).click();
    expect((await posted()).at(-1)).toEqual({ type: 'showLog' });
    await page.close();
  });

  test('nothing moves for those who asked for less motion', async () => {
    const { page } = await open('panel', panelStates['starting']!, 'vscode-dark', 600);
    const animation = () =>
      page.locator('.fill').evaluate((fill) => getComputedStyle(fill).animationName);
    expect(await animation()).toBe('move');
    await page.emulateMedia({ reducedMotion: 'reduce' });
    expect(await animation()).toBe('none');
    await page.emulateMedia({ reducedMotion: 'no-preference' });
    await page.evaluate(() => document.body.classList.add('vscode-reduce-motion'));
    expect(await animation()).toBe('none');
    await page.close();
  });
});

describe('the inspector', () => {
  test('filters and sorts the layers, and asks the host for work', async () => {
    const { page, posted } = await open('inspector', inspectorStates['model']!, 'vscode-dark', 320);
    const names = () =>
      page
        .locator('.layers tbody tr')
        .evaluateAll((rows) => rows.map((row) => row.querySelector('th')!.firstChild!.textContent));
    expect(await names()).toHaveLength(19);
    await page.getByRole('textbox', { name: 'Filter layers' }).fill('attention');
    await eventually(names).toHaveLength(6);
    await page.getByRole('button', { name: 'Layer', exact: true }).click();
    const header = page.locator('.layers thead th').first();
    expect(await header.getAttribute('aria-sort')).toBe('ascending');
    await page.getByRole('button', { name: 'Analyze…' }).click();
    await page.getByRole('button', { name: 'Compare…' }).click();
    await page.getByRole('button', { name: /^Open cka/ }).click();
    const path = 'models/all-MiniLM-L6-v2';
    expect((await posted()).slice(1)).toEqual([
      { type: 'analyze', path },
      { type: 'compare', path },
      { type: 'openRun', runId: 'r1' },
    ]);
    await page.close();
  });
});

test('the inspector lists and filters tensors where there are no layers', async () => {
  const { page } = await open('inspector', inspectorStates['weights']!, 'vscode-dark', 320);
  const rows = page.locator('.tensors tbody tr');
  expect(await rows.count()).toBe(500);
  expect(await page.getByRole('status').textContent()).toMatch(/^First 500 of 600 tensors/);
  await page.getByRole('textbox', { name: 'Filter tensors' }).fill('blk.42.');
  await eventually(() => rows.allTextContents()).toEqual([
    'blk.42.attn_q.weightQ4_K4096 × 40969 MiB',
  ]);
  await page.close();
});

describe.each(['light', 'dark'] as const)('the report on a %s desktop', (colorScheme) => {
  test('opens from disk, asks the network for nothing and saves files', async () => {
    const { run, result } = results.cka;
    const file = join(folder, `report-${colorScheme}.html`);
    await writeFile(file, await exportResult(run, result, 'html'));
    const context = await browser.newContext({
      colorScheme,
      viewport: { width: 1200, height: 900 },
    });
    const page = await context.newPage();
    const problems: string[] = [];
    const requests: string[] = [];
    page.on('console', (message) => problems.push(message.text()));
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('request', (request) => requests.push(request.url()));
    await page.addInitScript({ path: axeFile });
    await page.goto(pathToFileURL(file).href);
    await drawn(page);
    await page.screenshot({
      path: join(screenshots, `report-${colorScheme}.png`),
      fullPage: true,
    });
    expect(await accessibilityFindings(page)).toEqual([]);
    expect(await overflow(page)).toBe(0);
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(background).toBe(colorScheme === 'dark' ? 'rgb(31, 31, 31)' : 'rgb(255, 255, 255)');

    const saved = async (name: string): Promise<[string, string]> => {
      const waiting = page.waitForEvent('download');
      await page.getByRole('button', { name }).click();
      const download = await waiting;
      return [download.suggestedFilename(), await readFile(await download.path(), 'utf8')];
    };
    const [csvName, csv] = await saved('Save Similarity of layers as CSV');
    expect(csvName).toBe('repscope-cka-similarity-of-layers.csv');
    expect(csv.split('\r\n')[1]).toBe(`embeddings,${heatmapOf(result).z[0]!.join(',')}`);
    const [, json] = await saved('Save the whole result as JSON');
    expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(result)));
    const [, png] = await saved('Save Similarity of layers as PNG');
    expect(png.slice(1, 4)).toBe('PNG');

    expect(requests.filter((url) => !/^(file|blob|data):/.test(url))).toEqual([]);
    expect(problems).toEqual([]);
    await context.close();
  });
});
