import { readFile } from 'node:fs/promises';
import { knownAnalysis } from '../analyses/known.ts';
import { UserError } from '../errors.ts';
import { version } from '../version.ts';
import { csvField } from './format.ts';
import type { Result, ResultValue, RunSummary } from './schema.ts';

export type ExportFormat = 'json' | 'csv' | 'html';

/** A finished run as the text of a file. */
export async function exportResult(
  run: RunSummary,
  result: Result,
  format: ExportFormat,
): Promise<string> {
  switch (format) {
    case 'json':
      return `${JSON.stringify(result, null, 2)}\n`;
    case 'csv':
      return toCsv(result);
    case 'html':
      return exportReport([{ run, result }]);
  }
}

/**
 * Every number of `values` on a line of its own (tidy data): its key, up to three indices, the
 * number. Indices that run over layers are written as layer names.
 */
export function toCsv(result: Result): string {
  const lines = ['key,i,j,k,value'];
  const sides = sideLabels(result);
  const walk = (key: string, path: number[], value: ResultValue): void => {
    if (Array.isArray(value)) {
      value.forEach((item, index) => walk(key, [...path, index], item));
    } else if (value !== null && typeof value === 'object') {
      for (const [name, item] of Object.entries(value)) walk(`${key}.${name}`, path, item);
    } else {
      const indices = [0, 1, 2].map((depth) => {
        const index = path[depth];
        return index === undefined ? '' : csvField(sides[depth]?.[index] ?? String(index));
      });
      lines.push(
        [csvField(key), ...indices, value === null ? '' : csvField(String(value))].join(','),
      );
    }
  };
  for (const [key, value] of Object.entries(result.values)) {
    // Only the outer axes of layered values are layers; a plain matrix has none.
    walk(key, [], value);
  }
  return `${lines.join('\n')}\n`;
}

/** Layer names along the first and second axis of layered values. */
function sideLabels(result: Result): (string[] | undefined)[] {
  const byModel = new Map<string, string[]>();
  for (const { uri, layer } of result.inputs) {
    if (layer !== null) byModel.set(uri, [...(byModel.get(uri) ?? []), layer]);
  }
  const [first, second] = [...byModel.values()];
  return [first, second ?? first];
}

/** The page's script lies beside the bundles, or in dist/ when run from source. */
async function pageAsset(name: string): Promise<string> {
  const base = import.meta.url.endsWith('.ts') ? '../../dist/webviews/' : './webviews/';
  const url = new URL(`${base}${name}`, import.meta.url);
  try {
    return await readFile(url, 'utf8');
  } catch (error) {
    throw new UserError('failed', name, 'the report page is not built', 'run npm run build', error);
  }
}

const escapeHtml = (text: string) =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** A run with what the study it belongs to calls it. */
export interface ReportedRun {
  run: RunSummary;
  result: Result;
  name?: string;
}

/** Runs as one self-contained page: opens from disk, asks the network for nothing. */
export async function exportReport(runs: readonly ReportedRun[]): Promise<string> {
  const [script, style] = await Promise.all([pageAsset('report.js'), pageAsset('report.css')]);
  // Inside a script element only "</script" and "<!--" would end or change it.
  const pages = runs.map((page) => ({ ...page, title: knownAnalysis(page.result.analysis).title }));
  const data = JSON.stringify(pages).replaceAll('<', '\\u003c');
  const heading = pages.map(({ title, name, run }) =>
    pages.length > 1 ? (name ?? title) : `${title} · ${run.headline}`,
  );
  const code = script.replace(/<(?=\/script|!--)/gi, '\\x3c');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="Repscope ${version}">
<title>${escapeHtml(heading.join(', '))}</title>
<style>${style.replaceAll('</style', '<\\/style')}</style>
</head>
<body>
<main id="root"></main>
<script type="application/json" id="repscope-results">${data}</script>
<script>${code}</script>
</body>
</html>
`;
}
