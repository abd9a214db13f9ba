import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';

// The variables that the huggingface_hub library for Python reads, with its meanings and defaults.

/** A variable's value; set but empty counts as not set. */
const variable = (name: string): string => process.env[name]?.trim() ?? '';

const isOn = (name: string): boolean => /^(1|on|yes|true)$/i.test(variable(name));

const fromHome = (path: string): string =>
  /^~($|[\\/])/.test(path) ? join(homedir(), path.slice(1)) : path;

/** `HF_HOME`, else `huggingface` below `XDG_CACHE_HOME` or `~/.cache`. */
function hubHome(): string {
  const home = variable('HF_HOME');
  if (home !== '') return fromHome(home);
  return join(variable('XDG_CACHE_HOME') || join(homedir(), '.cache'), 'huggingface');
}

/** The folder that holds a `models--org--name` folder for each cached model. */
export function hubCache(): string {
  const cache = variable('HF_HUB_CACHE') || variable('HUGGINGFACE_HUB_CACHE');
  return cache === '' ? join(hubHome(), 'hub') : fromHome(cache);
}

/** The folder of one model in {@link hubCache}. */
export const cachedRepository = (id: string): string =>
  join(hubCache(), `models--${id.replace('/', '--')}`);

/**
 * Address of the hub, without a slash at its end: `HF_ENDPOINT`, else the public one.
 * @throws UserError `usage` where it is not an address.
 */
export function hubEndpoint(): string {
  const given = variable('HF_ENDPOINT') || 'https://huggingface.co';
  const url = URL.parse(given);
  // A password in the address would end up in messages.
  if (url && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') {
    return given.replace(/\/+$/, '');
  }
  throw new UserError(
    'usage',
    'HF_ENDPOINT',
    'is not the address of a hub',
    'set it to https://HOST, or unset it',
  );
}

/** @throws UserError `usage` where the user told this machine's tools to stay off the hub. */
export function assertOnline(id: string): void {
  const name = ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'].find(isOn);
  if (name === undefined) return;
  throw new UserError(
    'usage',
    id,
    `${name} is set, so nothing is downloaded`,
    `unset ${name}, or copy the model into the cache`,
  );
}

/** Seconds without a byte after which a connection counts as cut. */
export function stallSeconds(): number {
  const given = Number(variable('HF_HUB_DOWNLOAD_TIMEOUT'));
  return given > 0 && given <= 86_400 ? given : 30;
}

/**
 * The user's access token: `HF_TOKEN`, else the file that `HF_TOKEN_PATH` names, else `token` in
 * `HF_HOME`. Empty where there is none.
 * @throws UserError `usage` where it could not be sent; the message does not hold it.
 */
export async function readToken(): Promise<string> {
  if (isOn('HF_HUB_DISABLE_IMPLICIT_TOKEN')) return '';
  const path = fromHome(variable('HF_TOKEN_PATH') || join(hubHome(), 'token'));
  const set = variable('HF_TOKEN') || variable('HUGGING_FACE_HUB_TOKEN');
  const token = set || (await readFile(path, 'utf8').catch(() => '')).trim();
  if (/^[\x21-\x7e]*$/.test(token)) return token;
  throw new UserError(
    'usage',
    set === '' ? path : 'HF_TOKEN',
    'does not hold an access token',
    'store one with `hf auth login`, or remove it',
  );
}
