import { listFiles, modelInfo } from '@huggingface/hub';
import { UserError } from '../../errors.ts';
import { looksLikeHubId } from '../resolve.ts';
import { HubConnection } from './connection.ts';
import { assertOnline } from './environment.ts';
import { RepositoryCache } from './repository-cache.ts';
import type { Patience } from './retry.ts';
import { selectFiles, type HubFile } from './select-files.ts';

/** A file of a download. */
export interface PlannedFile extends HubFile {
  /** Bytes of it that lie in the cache. */
  present: number;
}

/** What a download fetches, before it starts. */
export interface DownloadPlan {
  id: string;
  /** Branch, tag or commit, as asked for. */
  revision: string;
  /** The commit that the revision is now. */
  commit: string;
  /** Host of the hub. */
  host: string;
  files: PlannedFile[];
  /** Bytes of all files. */
  bytes: number;
  /** Bytes still to fetch; zero where all files are in the cache. */
  remaining: number;
}

export interface HubOptions {
  /** Branch, tag or commit; `main` where absent. */
  revision?: string | undefined;
  signal?: AbortSignal | undefined;
  patience?: Partial<Patience> | undefined;
}

const commitPattern = /^[0-9a-f]{40,64}$/;
const hashPattern = /^([0-9a-f]{40}|[0-9a-f]{64})$/;
const mostFiles = 100_000;
const mostPages = 1000;

/**
 * Asks the hub for a model's files and how large they are. Nothing is downloaded.
 * @throws UserError `usage` for a malformed id or revision and where the environment says offline,
 *   `missing`, `denied`, `network`, `unsupported` where there are no weights that Repscope reads,
 *   `failed` where the hub's answer is not sound; Cancelled
 */
export async function planDownload(id: string, options: HubOptions = {}): Promise<DownloadPlan> {
  return planOver(await connect(id, options), id, options);
}

/** A connection for downloading `id`, once the id and the environment allow one. */
export async function connect(
  id: string,
  { signal, patience }: HubOptions,
): Promise<HubConnection> {
  if (!looksLikeHubId(id)) {
    throw new UserError('usage', id, 'is not the id of a hub model', 'use ORGANISATION/NAME');
  }
  assertOnline(id);
  return HubConnection.open(id, signal, patience);
}

export async function planOver(
  connection: HubConnection,
  id: string,
  { revision = 'main' }: HubOptions,
): Promise<DownloadPlan> {
  if (!isRevision(revision)) {
    throw new UserError('usage', revision, 'is not a revision', 'name a branch, tag or commit');
  }
  const { endpoint: hubUrl, fetch } = connection;
  const host = new URL(hubUrl).host;
  const { sha: commit } = await modelInfo({
    name: id,
    revision,
    additionalFields: ['sha'],
    hubUrl,
    fetch,
  }).catch((error: unknown) => {
    throw unsound(id, host, error);
  });
  if (typeof commit !== 'string' || !commitPattern.test(commit)) throw unsound(id, host);
  const listed = await list(connection, id, commit).catch((error: unknown) => {
    throw unsound(id, host, error);
  });
  const selected = selectFiles(listed);
  if (selected === undefined) {
    throw new UserError(
      'unsupported',
      id,
      'holds no safetensors or ONNX weights, and pickles are never downloaded',
      'name another model, or a revision that has them',
    );
  }
  const cache = new RepositoryCache(id);
  const files = await Promise.all(
    selected.map(async (file) => ({ ...file, present: await cache.presentBytes(commit, file) })),
  );
  const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
  return {
    id,
    revision,
    commit,
    host,
    files,
    bytes: sum(files.map(({ size }) => size)),
    remaining: sum(files.map(({ size, present }) => size - present)),
  };
}

/** Branches and tags may hold slashes; none may lead out of `refs`. */
const isRevision = (name: string): boolean =>
  name.length <= 255 && /^\w[\w./-]*$/.test(name) && !/\.\.|\/\/|\/\.|[./]$/.test(name);

/** All files of a repository; every entry is checked, wanted or not. */
async function list(connection: HubConnection, repo: string, revision: string): Promise<HubFile[]> {
  const files: HubFile[] = [];
  let pages = 0;
  const fetch = (address: string | URL | Request): Promise<Response> => {
    if (++pages > mostPages) throw new Error('too many pages');
    return connection.fetch(address);
  };
  const entries = listFiles({
    repo: { type: 'model', name: repo },
    revision,
    recursive: true,
    hubUrl: connection.endpoint,
    fetch,
  });
  for await (const entry of entries) {
    const { type, path, size, oid, lfs } = entry as Partial<typeof entry>;
    if (typeof path !== 'string' || !isInside(path)) {
      throw new UserError(
        'failed',
        repo,
        `lists ${JSON.stringify(path)}, a path outside its folder`,
        'do not trust this model; nothing was downloaded',
      );
    }
    if (type !== 'file') continue;
    const hash = lfs?.oid ?? oid;
    if (!Number.isSafeInteger(size) || size! < 0 || !hash || !hashPattern.test(hash)) {
      throw new Error(`entry of ${path}`);
    }
    if (files.length >= mostFiles) throw new Error('too many files');
    files.push({ path, size: size!, hash });
  }
  return files;
}

/** Whether a listed path stays in its folder on every system. */
const isInside = (path: string): boolean =>
  path !== '' &&
  !/[\\\p{Cc}:]/u.test(path) &&
  path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

/** What the hub says of a model makes no sense; errors for the user pass as they are. */
function unsound(id: string, host: string, error?: unknown): Error {
  const isOurs = error instanceof Error && /^(UserError|Cancelled)$/.test(error.name);
  if (isOurs) return error;
  return new UserError(
    'failed',
    id,
    `the answer of ${host} is not a model's list of files`,
    'check HF_ENDPOINT',
    error,
  );
}
