// The report: the panel's page in a file of its own, for any browser, from disk, without a network.
import type { Result, RunSummary } from '@repscope/core/results/schema.ts';
import './report.css';
import './shared/base.css';
import { h } from './shared/dom.ts';
import { toCsv } from './shared/format.ts';
import type { Host } from './shared/host.ts';
import { resultPage } from './shared/result-page.ts';
import { root } from './shared/root.ts';

interface Page {
  run: RunSummary;
  result: Result;
  title?: string;
  /** What the study calls it, where there are several. */
  name?: string;
}

/** Saves through the browser's own download. */
function download(name: string, type: string, data: BlobPart): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([data], { type }));
  link.download = name;
  link.click();
  // The download has begun by the next turn, and the page needs the address no longer.
  setTimeout(() => URL.revokeObjectURL(link.href), 0);
}

const bytes = (base64: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

function hostFor(result: Result): Host {
  return {
    savePicture: (name, format, data) =>
      format === 'png'
        ? download(`${name}.png`, 'image/png', bytes(data))
        : download(`${name}.svg`, 'image/svg+xml', data),
    saveTable: (name, table) => download(`${name}.csv`, 'text/csv', toCsv(table)),
    exports: [
      [
        'JSON',
        'Save the whole result as JSON',
        () =>
          download(
            `repscope-${result.analysis}.json`,
            'application/json',
            `${JSON.stringify(result, null, 2)}\n`,
          ),
      ],
    ],
  };
}

/** The classes that the editor would set, so that one style sheet serves both. */
function followSystemColours(): void {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const contrast = matchMedia('(prefers-contrast: more)');
  const apply = (): void => {
    const { classList } = document.body;
    classList.toggle('vscode-dark', dark.matches && !contrast.matches);
    classList.toggle('vscode-light', !dark.matches && !contrast.matches);
    classList.toggle('vscode-high-contrast', dark.matches && contrast.matches);
    classList.toggle('vscode-high-contrast-light', !dark.matches && contrast.matches);
  };
  dark.addEventListener('change', apply);
  contrast.addEventListener('change', apply);
  apply();
}

/** Links to the parts of a study. */
function contents(pages: readonly Page[]): HTMLElement {
  return h(
    'nav',
    { class: 'contents', 'aria-label': 'Analyses' },
    h(
      'ol',
      {},
      ...pages.map(({ name, title, run }, at) =>
        h(
          'li',
          {},
          h('a', { href: `#part-${at}` }, name ?? title ?? run.analysis),
          ` ${run.headline}`,
        ),
      ),
    ),
  );
}

const pages = JSON.parse(document.getElementById('repscope-results')!.textContent) as Page[];
document.body.classList.add('report');
followSystemColours();
const articles = pages.map(({ run, result, title, name }, at) => {
  const heading = pages.length > 1 && name !== undefined ? `${name}: ${title ?? ''}` : title;
  const { signal } = new AbortController();
  const article = resultPage(run, result, heading, hostFor(result), signal);
  article.id = `part-${at}`;
  return article;
});
root().replaceChildren(...(pages.length > 1 ? [contents(pages)] : []), ...articles);
