import type { View } from '@repscope/core/results/schema.ts';
import type { FromWebview, ToWebview, WebviewState } from '@repscope/core/protocol/webview.ts';
import type { TableData } from './format.ts';

/** What a page can ask of what shows it: the editor, or nobody but the browser. */
export interface Host {
  savePicture(name: string, format: 'png' | 'svg', data: string): void;
  /** Present where a single view's numbers can be saved. */
  saveTable?(name: string, table: TableData): void;
  /** Buttons that save the whole result: label, accessible name, action. */
  exports: [label: string, description: string, save: () => void][];
}

interface EditorApi {
  postMessage(message: FromWebview): void;
  getState(): unknown;
  setState(state: WebviewState): void;
}

declare function acquireVsCodeApi(): EditorApi;

/** The editor's side of a webview; the page keeps the last state, so that hiding loses nothing. */
export class Editor {
  readonly #api = acquireVsCodeApi();

  post(message: FromWebview): void {
    this.#api.postMessage(message);
  }

  /** Shows the kept state, then every state that arrives, and reports what goes wrong in the page. */
  connect(show: (state: WebviewState) => void): void {
    const report = (message: string): void => this.post({ type: 'problem', message });
    addEventListener('error', (event) => report(event.message));
    addEventListener('unhandledrejection', (event) => report(String(event.reason)));
    document.addEventListener('securitypolicyviolation', (event) =>
      report(`${event.violatedDirective} refused ${event.blockedURI} ${event.sample}`.trim()),
    );
    const kept = this.#api.getState() as WebviewState | undefined;
    let shown = '';
    const showOnce = (state: WebviewState): void => {
      // A page that was hidden has drawn the state that the host sends it again.
      const text = JSON.stringify(state);
      if (text === shown) return;
      shown = text;
      show(state);
    };
    if (kept) showOnce(kept);
    addEventListener('message', (event: MessageEvent<ToWebview>) => {
      this.#api.setState(event.data.state);
      showOnce(event.data.state);
    });
    this.post({ type: 'ready' });
  }
}

/** A file name from a title: `repscope-cka-linear-cka`. */
export const fileName = (analysis: string, view: View): string =>
  `repscope-${analysis}-${view.title}`
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '');
