import { mkdtemp, mkdir, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyDemo } from '../demo.ts';
import { startEditor, type Editor } from '../vscode/editor.ts';
import { editorAddress } from '../vscode/server.ts';
import { Workbench } from './workbench.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const screenshots = join(root, 'build', 'screenshots');

/** The packaged extension in a real VS Code, on a copy of the demo workspace. */
export interface Session {
  folder: string;
  workbench: Workbench;
  editor: Editor;
  /** Errors and refused loads that our pages reported. */
  pageProblems: string[];
  screenshot(name: string): Promise<void>;
  /** Load the window anew as the user left it. */
  reopen(): Promise<void>;
  stop(): Promise<void>;
}

/** Start on `file` of the demo. */
export async function startSession(file: string): Promise<Session> {
  const temporary = await mkdtemp(join(tmpdir(), 'repscope-e2e-'));
  const folder = await copyDemo(temporary);
  await mkdir(screenshots, { recursive: true });
  const pageProblems: string[] = [];
  const editor = await startEditor({
    folder,
    files: [join(folder, file)],
    vsix: await packagedExtension(),
    settings: { 'workbench.colorTheme': 'Default Dark Modern', 'editor.minimap.enabled': false },
    async prepare(page) {
      page.on('console', (message) => {
        const { url } = message.location();
        const ours = url.includes('vscode-resource') || url.includes('/webview/');
        const refused = message.text().includes('Content Security Policy');
        if (message.type() === 'error' && (ours || refused)) {
          pageProblems.push(`${url}: ${message.text()}`);
        }
      });
      page.on('pageerror', (error) => {
        if (error.stack?.includes('dist/webviews')) pageProblems.push(error.stack);
      });
      await Promise.resolve();
    },
    log: (line) => process.stdout.write(`${line}\n`),
  });
  return {
    folder,
    editor,
    pageProblems,
    workbench: new Workbench(editor.page),
    async screenshot(name) {
      await editor.page.screenshot({ path: join(screenshots, `${name}.png`) });
    },
    async reopen() {
      await editor.page.goto(editorAddress(new URL(editor.url).origin, folder));
      await editor.page.locator('.monaco-workbench .part.editor').waitFor();
    },
    async stop() {
      await editor.stop();
      await rm(temporary, { recursive: true, force: true });
    },
  };
}

async function packagedExtension(): Promise<string> {
  const folder = join(root, 'build', 'vsix', `${process.platform}-${process.arch}`);
  const names = await readdir(folder).catch(() => []);
  const [name] = names.filter((entry) => entry.endsWith('.vsix'));
  if (!name) throw new Error(`${folder}: no package; run node scripts/package.mjs`);
  return join(folder, name);
}
