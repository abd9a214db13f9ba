import { commands, defaultSettings } from '@repscope/core/protocol/language-server.ts';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface Manifest {
  icon: string;
  activationEvents: string[];
  contributes: {
    commands: { command: string; title: string; category: string }[];
    menus: Record<string, { command: string }[]>;
    configuration: { properties: Record<string, { default: unknown }> };
    viewsContainers: { activitybar: { id: string; icon: string }[] };
    views: Record<string, { id: string; icon: string }[]>;
    viewsWelcome: { view: string }[];
  };
}

const read = (name: string): string => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
const text = read('package.json');
const manifest = JSON.parse(text) as Manifest;
const strings = JSON.parse(read('package.nls.json')) as Record<string, string>;
const { contributes } = manifest;

describe('the manifest', () => {
  it('names exactly the strings that package.nls.json holds', () => {
    const used = [...text.matchAll(/"%([\w.]+)%"/g)].map(([, key]) => key);
    expect([...new Set(used)].sort()).toEqual(Object.keys(strings).sort());
  });

  it('gives each setting the default that the server assumes', () => {
    const flat = (value: object, prefix: string): [string, unknown][] =>
      Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
        typeof inner === 'object' && inner !== null
          ? flat(inner, `${prefix}${key}.`)
          : [[`${prefix}${key}`, inner] satisfies [string, unknown]],
      );
    // The trace is the client library's own setting.
    const declared = Object.entries(contributes.configuration.properties)
      .filter(([name]) => name !== 'repscope.trace.server')
      .map(([name, setting]) => [name, setting.default]);
    expect(Object.fromEntries(declared)).toEqual(
      Object.fromEntries(flat(defaultSettings, 'repscope.')),
    );
  });

  it('declares the commands that lenses, hovers and quick fixes name', () => {
    const declared = contributes.commands.map(({ command }) => command);
    expect(declared).toEqual(
      expect.arrayContaining([
        commands.analyzeModel,
        commands.compareModels,
        commands.downloadModel,
        commands.showRun,
      ]),
    );
  });

  it('puts only declared commands into menus, and views into welcomes', () => {
    const declared = contributes.commands.map(({ command }) => command);
    const offered = Object.values(contributes.menus).flatMap((items) =>
      items.map(({ command }) => command),
    );
    expect(offered.filter((command) => !declared.includes(command))).toEqual([]);
    const views = Object.values(contributes.views).flatMap((items) => items.map(({ id }) => id));
    expect(contributes.viewsWelcome.filter(({ view }) => !views.includes(view))).toEqual([]);
  });

  it('carries the pictures that it names, the icon at 128 pixels or more', () => {
    for (const { icon } of contributes.viewsContainers.activitybar) {
      expect(existsSync(new URL(`../${icon}`, import.meta.url))).toBe(true);
    }
    // Width and height stand at bytes 16 and 20 of a PNG.
    const icon = readFileSync(new URL(`../${manifest.icon}`, import.meta.url));
    expect(Math.min(icon.readUInt32BE(16), icon.readUInt32BE(20))).toBeGreaterThanOrEqual(128);
  });

  it('never activates on everything', () => {
    expect(manifest.activationEvents).not.toContain('*');
    expect(manifest.activationEvents).not.toContain('onStartupFinished');
  });
});
