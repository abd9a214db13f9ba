import type { FrameLocator, Locator, Page } from 'playwright-core';
import { expect } from 'vitest';

/** Long enough for a slow machine; a step that works takes a fraction of it. */
export const PATIENCE_MS = 30_000;

/** Poll until `probe` answers without throwing and truthy. */
export async function eventually<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  let last: T | undefined;
  await expect
    .poll(async () => Boolean((last = await probe())), {
      timeout: PATIENCE_MS,
      interval: 250,
      message: what,
    })
    .toBe(true);
  return last!;
}

/** What a user sees and does in the window of VS Code. */
export class Workbench {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  editor(file: string): Locator {
    return this.page.locator(`.editor-instance .monaco-editor[data-uri$="/${file}"]`);
  }

  /** Parts of the code lenses of a file by their text: links, and facts that lead nowhere. */
  lens(file: string, text: string | RegExp): Locator {
    return this.editor(file).locator('.codelens-decoration > *', { hasText: text });
  }

  /** Open a file of the workspace by its name, in the first editor group. */
  async open(file: string): Promise<void> {
    await this.run('View: Focus First Editor Group');
    await this.#command(file, file);
    await this.editor(file).waitFor({ timeout: PATIENCE_MS });
  }

  /** Run a command by its full title. */
  async run(title: string): Promise<void> {
    await this.#command(`>${title}`, title);
  }

  /** The palette may lose its focus while the window settles: open, type and choose as one step. */
  async #command(input: string, row: string): Promise<void> {
    await eventually(`${row} in the palette`, async () => {
      await this.page.keyboard.press('Escape');
      await this.page.keyboard.press('F1');
      const box = this.#quickInput.locator('.quick-input-box input');
      await box.fill(input, { timeout: 2000 });
      const found = this.#rows.filter({ hasText: row }).first();
      await found.click({ timeout: 4000 });
      return true;
    });
  }

  get #quickInput(): Locator {
    return this.page.locator('.quick-input-widget:visible');
  }

  get #rows(): Locator {
    return this.#quickInput.locator('.quick-input-list .monaco-list-row');
  }

  /** Choose a row of the open picker, waiting for it. */
  async pick(text: string | RegExp): Promise<void> {
    await this.#rows.filter({ hasText: text }).first().click({ timeout: PATIENCE_MS });
  }

  /**
   * Choose the row whose description is `text` in the picker that asks `placeholder`. Only rows in
   * sight are in the page, so the picker is filtered first.
   */
  async pickDescribed(placeholder: string, text: string): Promise<void> {
    const box = this.#quickInput.locator(`.quick-input-box input[placeholder="${placeholder}"]`);
    await box.fill(text, { timeout: PATIENCE_MS });
    const description = this.page.locator('.label-description', {
      hasText: new RegExp(`^${text}$`),
    });
    await this.#rows.filter({ has: description }).first().click({ timeout: PATIENCE_MS });
  }

  /** Answer the input box or picker whose title ends with `title`, by default as proposed. */
  async answer(title: string, text?: string): Promise<void> {
    await this.#asked(title);
    if (text !== undefined) await this.#quickInput.locator('.quick-input-box input').fill(text);
    await this.page.keyboard.press('Enter');
  }

  /** Leave the question whose title ends with `title` unanswered, unless it has closed by itself. */
  async leave(title: string): Promise<void> {
    await Promise.race([this.#asked(title), this.#rows.first().waitFor({ timeout: PATIENCE_MS })]);
    if ((await this.#rows.count()) === 0) await this.page.keyboard.press('Escape');
  }

  async #asked(title: string): Promise<void> {
    await this.#quickInput
      .locator('.quick-input-title', { hasText: new RegExp(`${title}$`) })
      .waitFor({ timeout: PATIENCE_MS });
  }

  /** Rest the mouse on a word of an editor until its hover shows; answers the hover. */
  async hover(file: string, word: string): Promise<Locator> {
    const hover = this.page.locator('.monaco-hover:not(.hidden) .hover-contents');
    await eventually(`a hover on ${word}`, async () => {
      const [x, y] = await this.#middleOf(file, word);
      await this.page.mouse.move(x, y + 60);
      await this.page.mouse.move(x, y, { steps: 4 });
      await hover.first().waitFor({ timeout: 4000 });
      return true;
    });
    return this.page.locator('.monaco-hover:not(.hidden)').first();
  }

  /** Centre of a word's exact box: an editor line is one wide element. */
  async #middleOf(file: string, word: string): Promise<[number, number]> {
    return this.editor(file)
      .locator('.view-lines')
      .evaluate((lines, text): [number, number] => {
        const walker = document.createTreeWalker(lines, NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
          const at = node.nodeValue!.indexOf(text);
          if (at < 0) continue;
          const range = document.createRange();
          range.setStart(node, at);
          range.setEnd(node, at + text.length);
          const box = range.getBoundingClientRect();
          return [box.x + box.width / 2, box.y + box.height / 2];
        }
        throw new Error(`${text} is not in view`);
      }, word);
  }

  toast(text: string | RegExp): Locator {
    return this.page.locator('.notifications-toasts .notification-list-item', { hasText: text });
  }

  /** Close everything that lies over the editor. */
  async settle(): Promise<void> {
    await this.page.keyboard.press('Escape');
    await this.run('Notifications: Clear All Notifications');
    await this.page.mouse.move(5, 450);
  }

  tab(text: string | RegExp): Locator {
    return this.page.locator('.tabs-container .tab', { hasText: text });
  }

  /** Content of the visible page of ours that holds `selector`. */
  async webview(selector: string): Promise<FrameLocator> {
    return eventually(`a page with ${selector}`, async () => {
      const outer = this.page.locator('iframe.webview.ready[src*="extensionId=repscope.repscope"]');
      for (let at = 0; at < (await outer.count()); at++) {
        if (!(await outer.nth(at).isVisible())) continue;
        const frame = outer.nth(at).contentFrame().locator('iframe#active-frame').contentFrame();
        if ((await frame.locator(selector).count()) > 0) return frame;
      }
      return undefined;
    });
  }

  /** Select a row of a tree in the side bar, once all rows have come to rest. */
  async select(text: string | RegExp): Promise<void> {
    const rows = this.page.locator('.pane-body .monaco-list-row');
    let seen = '';
    await eventually('a tree at rest', async () => {
      const before = seen;
      seen = (await rows.allInnerTexts()).join('\n');
      return seen === before && (await rows.filter({ hasText: text }).count()) > 0;
    });
    await rows.filter({ hasText: text }).first().click();
  }

  async useTheme(name: string): Promise<void> {
    await this.run('Preferences: Color Theme');
    await this.#quickInput
      .locator('.quick-input-box input[placeholder*="Theme"]')
      .fill(name, { timeout: PATIENCE_MS });
    await this.pick(name);
    await this.#quickInput.waitFor({ state: 'hidden' });
  }
}
