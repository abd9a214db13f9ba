import { defaultSettings } from '@repscope/core/protocol/language-server.ts';
import { expect, test } from 'vitest';
import { parseSettings, SettingsSource } from './settings.ts';

test.each([undefined, null, 7, 'x', [], {}])('defaults for %j', (sent) => {
  expect(parseSettings(sent)).toEqual(defaultSettings);
});

test('what is well formed is taken, what is not takes its default', () => {
  const sent = {
    device: 'webgpu',
    codeLens: { enabled: false },
    probe: 3,
    memoryLimit: Number.NaN,
    workerIdleSeconds: 0,
    unknown: true,
  };
  expect(parseSettings(sent)).toEqual({
    ...defaultSettings,
    device: 'webgpu',
    codeLens: { enabled: false },
    workerIdleSeconds: 0,
  });
  expect(parseSettings({ device: 'tpu', codeLens: true }).device).toBe('auto');
});

test('settings are pulled once until they change, and again after a failure', async () => {
  const answers = [{ probe: 'a' }, new Error('busy'), { probe: 'b' }];
  const source = new SettingsSource(() => {
    const answer = answers.shift();
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  });
  const probe = async () => (await source.get()).probe;
  expect([await probe(), await probe()]).toEqual(['a', 'a']);
  source.changed();
  expect([await probe(), await probe()]).toEqual(['', 'b']);
});
