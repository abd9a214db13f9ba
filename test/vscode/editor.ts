import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { provideChromium } from './chromium.ts';
import { editorAddress, startServer, type EditorServer } from './server.ts';

export interface EditorOptions {
  /** Workspace folder to open. */
  folder: string;
  /** Files (absolute paths) to open in it. */
  files?: string[];
  settings?: Record<string, unknown>;
  /** Extension package to install first. */
  vsix?: string;
  /** Expose the test driver to the page; hides toasts. */
  smokeTestDriver?: boolean;
  /** Further entries of the address, such as `extensionTestsPath`, given the server's authority. */
  payload?: (authority: string) => [string, string][];
  /** Prepare the window before the editor loads in it. */
  prepare?: (page: Page) => Promise<void>;
  log?: (line: string) => void;
}

export interface Editor {
  url: string;
  /** Process of the VS Code server, the ancestor of all that it runs. */
  pid: number;
  page: Page;
  /** End window and VS Code and remove what they wrote. */
  stop(): Promise<void>;
}

/** Start a VS Code of its own on `folder` and open it in a headless window. */
export async function startEditor(options: EditorOptions): Promise<Editor> {
  const { folder, files, log = () => undefined } = options;
  const state = await mkdtemp(join(tmpdir(), 'repscope-vscode-'));
  let server: EditorServer | undefined;
  let window: BrowserContext | undefined;
  const stop = async () => {
    await window?.close();
    await server?.stop();
    await rm(state, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    server = await startServer({ ...options, state, endWithoutWindow: true });
    window = await openWindow(join(state, 'window'), log);
    const page = window.pages()[0]!;
    await options.prepare?.(page);
    const payload = options.payload?.(new URL(server.origin).host) ?? [];
    const url = editorAddress(server.origin, folder, files, payload);
    await page.goto(url);
    await page.locator('.monaco-workbench .part.editor').waitFor({ timeout: 60_000 });
    return { url, pid: server.pid, page, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A headless browser window with a profile of its own in the folder `profile`. */
export async function openWindow(
  profile: string,
  log: (line: string) => void = () => undefined,
): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, {
    executablePath: await provideChromium(log),
    headless: true,
    viewport: { width: 1500, height: 950 },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
