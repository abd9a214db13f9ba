// The report: the panel's page in a file of its own, for any browser, from disk, without a network.
import type { Result, RunSummary } from '@repscope/core/results/schema.ts';
import './report.css';
import './shared/base.css';
import { toCsv } from './shared/format.ts';
import type { Host } from './shared/host.ts';
import { resultPage } from './shared/result-page.ts';
import { root } from './shared/root.ts';

interface Report {
  run: RunSummary;
  result: Result;
  title?: string;
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

const { run, result, title } = JSON.parse(
  document.getElementById('repscope-result')!.textContent,
) as Report;
document.body.classList.add('report');
followSystemColours();
root().replaceChildren(
  resultPage(run, result, title, hostFor(result), new AbortController().signal),
);
