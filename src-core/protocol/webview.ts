import type { ModelOutline } from '../models/model.ts';
import type { Result, RunSummary } from '../results/schema.ts';

/** What a webview shows. Host → webview, whole, whenever it changes. */
export type WebviewState =
  | { kind: 'empty'; message: string }
  | { kind: 'busy'; message: string; fraction: number | null }
  | { kind: 'error'; where: string; what: string; remedy: string }
  /** `title` is the analysis's own title; its id is shown where the host knows none. */
  | { kind: 'result'; run: RunSummary; result: Result; title?: string }
  | { kind: 'model'; outline: ModelOutline; runs: { run: RunSummary; result: Result }[] };

/** Host → webview. */
export type ToWebview = { type: 'state'; state: WebviewState };

/** Webview → host. */
export type FromWebview =
  /** The page listens; send the state. */
  | { type: 'ready' }
  /** The user asked for the result in a file. `data` for pictures made by the page (base64 PNG or SVG text). */
  | { type: 'export'; runId: string; format: 'json' | 'csv' | 'html' }
  | { type: 'savePicture'; name: string; format: 'png' | 'svg'; data: string }
  | { type: 'analyze'; path: string }
  | { type: 'compare'; path: string }
  | { type: 'openRun'; runId: string }
  | { type: 'showLog' }
  /** An uncaught error or CSP violation in the page, for the log. */
  | { type: 'problem'; message: string };
