// The result panel: one analysis, from its progress to its plots.
import type { WebviewState } from '@repscope/core/protocol/webview.ts';
import './shared/base.css';
import { Editor, type Host } from './shared/host.ts';
import { resultPage } from './shared/result-page.ts';
import { root } from './shared/root.ts';
import { statePage } from './shared/states.ts';

const editor = new Editor();

function hostFor(runId: string): Host {
  const save = (format: 'json' | 'csv' | 'html') => () =>
    editor.post({ type: 'export', runId, format });
  return {
    savePicture: (name, format, data) => editor.post({ type: 'savePicture', name, format, data }),
    exports: [
      ['CSV', 'Export the numbers as CSV', save('csv')],
      ['JSON', 'Export the whole result as JSON', save('json')],
      ['HTML', 'Export an HTML report that opens in any browser', save('html')],
    ],
  };
}

function page(state: WebviewState, signal: AbortSignal): HTMLElement {
  switch (state.kind) {
    case 'result':
      return resultPage(state.run, state.result, state.title, hostFor(state.run.id), signal);
    case 'model':
      return statePage({ kind: 'empty', message: state.outline.name }, () => undefined);
    default:
      return statePage(state, () => editor.post({ type: 'showLog' }));
  }
}

let shown = new AbortController();
editor.connect((state) => {
  shown.abort();
  shown = new AbortController();
  root().replaceChildren(page(state, shown.signal));
});
