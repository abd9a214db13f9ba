import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as it came. */
export interface Seen {
  host: 'hub' | 'cdn';
  path: string;
  range?: string;
  token?: string;
}

/** Answers one request in place of the hub; false leaves it to the hub. */
export type Fault = (seen: Seen, response: ServerResponse) => boolean;

export const commit = 'c5f93f70e82d1b9b8a2ba3e1f2a4d2f5c6b7a890';

/**
 * A hub on this machine for tests, and a second server that it redirects large files to. It speaks
 * the part of the hub's HTTP interface that downloads use.
 */
export class LoopbackHub {
  readonly files: Map<string, Buffer>;
  readonly seen: Seen[] = [];
  /** Asked in order before the hub answers. */
  readonly faults: Fault[] = [];
  /** Adds to or changes the listing. */
  alterList: (entries: object[]) => object[] = (entries) => entries;
  readonly #hub: Server;
  readonly #cdn: Server;

  private constructor(files: Record<string, string | Buffer>) {
    this.files = new Map(Object.entries(files).map(([path, data]) => [path, Buffer.from(data)]));
    this.#hub = createServer((request, response) => this.#answer('hub', request, response));
    this.#cdn = createServer((request, response) => this.#answer('cdn', request, response));
  }

  static async start(files: Record<string, string | Buffer>): Promise<LoopbackHub> {
    const hub = new LoopbackHub(files);
    for (const server of [hub.#hub, hub.#cdn]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    return hub;
  }

  get address(): string {
    return address(this.#hub);
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
  }

  /** Requests for the content of a file, as `hub …` and `cdn …` with their ranges. */
  transfers(path: string): string[] {
    return this.seen
      .filter((seen) => seen.path.endsWith(`/${path}`))
      .map(({ host, range }) => `${host}${range === undefined ? '' : ` ${range}`}`);
  }

  #answer(host: Seen['host'], request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? '', 'http://any');
    const { range, authorization } = request.headers;
    const seen: Seen = {
      host,
      path: pathname,
      ...(range === undefined ? {} : { range }),
      ...(authorization === undefined ? {} : { token: authorization }),
    };
    this.seen.push(seen);
    if (this.faults.some((fault) => fault(seen, response))) return;
    const parts = pathname.split('/').slice(1);
    if (pathname.startsWith('/api/models/org/model/revision/main')) {
      this.#json(response, { _id: '1', id: 'org/model', sha: commit, private: false });
    } else if (pathname === `/api/models/org/model/tree/${commit}`) {
      this.#list(request, response);
    } else if (pathname.startsWith(`/org/model/resolve/${commit}/`) || host === 'cdn') {
      this.#send(host, decodeURIComponent(parts.slice(4).join('/')), request, response);
    } else {
      response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end();
    }
  }

  /** The listing in pages of three, as the real one has pages of a thousand. */
  #list(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.address);
    const from = Number(url.searchParams.get('cursor') ?? 0);
    const entries = this.alterList([...this.files].map(([path, data]) => entryOf(path, data)));
    url.searchParams.set('cursor', String(from + 3));
    if (from + 3 < entries.length) response.setHeader('link', `<${url.href}>; rel="next"`);
    this.#json(response, entries.slice(from, from + 3));
  }

  #json(response: ServerResponse, value: object): void {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(value));
  }

  #send(
    host: Seen['host'],
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const data = this.files.get(path);
    if (data === undefined) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
    } else if (host === 'hub' && isLarge(path)) {
      response.writeHead(302, { location: `${address(this.#cdn)}${request.url}` }).end();
    } else {
      sendRange(data, request.headers.range, response);
    }
  }
}

const address = (server: Server): string =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const isLarge = (path: string): boolean => /\.(safetensors|onnx|bin)$/.test(path);

const entries = new WeakMap<Buffer, object>();

function entryOf(path: string, data: Buffer): object {
  const entry = entries.get(data) ?? makeEntry(path, data);
  entries.set(data, entry);
  return entry;
}

function makeEntry(path: string, data: Buffer): object {
  const hash = (algorithm: string, content: Buffer): string =>
    createHash(algorithm).update(content).digest('hex');
  const oid = hash('sha1', Buffer.concat([Buffer.from(`blob ${data.length}\0`), data]));
  const lfs = { oid: hash('sha256', data), size: data.length, pointerSize: 130 };
  return { type: 'file', path, size: data.length, oid, ...(isLarge(path) ? { lfs } : {}) };
}

/** Answers with a file or, where asked for, with its end. */
export function sendRange(data: Buffer, range: string | undefined, response: ServerResponse): void {
  const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  const part = data.subarray(start);
  response.setHeader('content-length', part.length);
  if (range !== undefined) {
    response.statusCode = 206;
    const last = data.length - 1;
    response.setHeader('content-range', `bytes ${start}-${last}/${data.length}`);
  }
  response.end(part);
}

/** A fault that strikes the first `times` requests of files named `path` at the CDN or hub. */
export function strike(
  times: number,
  path: string,
  act: (response: ServerResponse, seen: Seen) => void,
  host: Seen['host'] = 'cdn',
): Fault {
  let left = times;
  return (seen, response) => {
    if (left === 0 || seen.host !== host || !seen.path.endsWith(path)) return false;
    left--;
    act(response, seen);
    return true;
  };
}
