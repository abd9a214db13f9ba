import { defaultSettings, type Settings } from '@repscope/core/protocol/language-server.ts';

const devices: readonly string[] = ['auto', 'cpu', 'webgpu', 'cuda'] satisfies Settings['device'][];

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const positive = (value: unknown, fallback: number): number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : fallback;

/** Settings from what a client sent; what is absent or malformed takes its default. */
export function parseSettings(sent: unknown): Settings {
  const given = isRecord(sent) ? sent : {};
  const { device, codeLens, probe } = given;
  const enabled = isRecord(codeLens) ? codeLens['enabled'] : undefined;
  return {
    device:
      typeof device === 'string' && devices.includes(device)
        ? (device as Settings['device'])
        : defaultSettings.device,
    codeLens: {
      enabled: typeof enabled === 'boolean' ? enabled : defaultSettings.codeLens.enabled,
    },
    probe: typeof probe === 'string' ? probe : defaultSettings.probe,
    memoryLimit: positive(given['memoryLimit'], defaultSettings.memoryLimit),
    workerIdleSeconds: positive(given['workerIdleSeconds'], defaultSettings.workerIdleSeconds),
  };
}

/** Settings pulled from the client when first needed and kept until it says that they changed. */
export class SettingsSource {
  readonly #pull: () => Promise<unknown>;
  #settings: Promise<Settings> | undefined;

  /** @param pull asks the client for the `repscope` section */
  constructor(pull: () => Promise<unknown>) {
    this.#pull = pull;
  }

  get(): Promise<Settings> {
    return (this.#settings ??= this.#pull().then(parseSettings, () => {
      // Asked again the next time: the client may only have been busy.
      this.#settings = undefined;
      return defaultSettings;
    }));
  }

  changed(): void {
    this.#settings = undefined;
  }
}
