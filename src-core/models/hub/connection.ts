import { Cancelled, UserError } from '../../errors.ts';
import { hubEndpoint, readToken, stallSeconds } from './environment.ts';
import { retrying, Transient, type Patience } from './retry.ts';
import { statusError } from './status.ts';

const defaultBackoffMs = 1000;
const defaultLongestWaitMs = 5 * 60_000;
const mostRedirects = 10;
/** Lists of files and model cards are far shorter. */
const mostAnswerBytes = 64 * 2 ** 20;

const redirects: readonly number[] = [301, 302, 303, 307, 308];

/** A response whose body may stop coming; each read is guarded against that. */
export interface Answer {
  status: number;
  headers: Headers;
  /** The body's pieces. @throws Transient where the connection is cut or stalls. */
  body: () => AsyncGenerator<Uint8Array, void>;
}

/**
 * Requests to one hub. The token goes to the hub's own origin and to no other, whatever redirects
 * and links say.
 */
export class HubConnection {
  readonly endpoint: string;
  readonly patience: Patience;
  readonly #id: string;
  readonly #token: string;
  readonly #signal: AbortSignal | undefined;

  private constructor(
    id: string,
    endpoint: string,
    token: string,
    patience: Patience,
    signal: AbortSignal | undefined,
  ) {
    this.#id = id;
    this.endpoint = endpoint;
    this.#token = token;
    this.patience = patience;
    this.#signal = signal;
  }

  /**
   * @param id the model that errors name
   * @throws UserError `usage` where the environment's endpoint or token is malformed
   */
  static async open(
    id: string,
    signal?: AbortSignal,
    patience: Partial<Patience> = {},
  ): Promise<HubConnection> {
    const whole = {
      backoffMs: defaultBackoffMs,
      longestWaitMs: defaultLongestWaitMs,
      stallMs: 1000 * stallSeconds(),
      ...patience,
    };
    return new HubConnection(id, hubEndpoint(), await readToken(), whole, signal);
  }

  /** A whole answer of the hub's API as `fetch` gives it; repeated where the hub is busy. */
  readonly fetch = (address: string | URL | Request): Promise<Response> =>
    retrying(
      () =>
        this.request(
          address instanceof Request ? address.url : String(address),
          {},
          async (answer) => {
            const parts: Uint8Array[] = [];
            let size = 0;
            for await (const part of answer.body()) {
              size += part.length;
              if (size > mostAnswerBytes) throw this.#failed('answers with too long a list');
              parts.push(part);
            }
            return new Response(Buffer.concat(parts), { headers: answer.headers });
          },
        ),
      this.patience,
      this.#signal,
    );

  /**
   * One GET with its redirects; `use` reads the answer.
   * @throws UserError, Cancelled; Transient where the same request may succeed later.
   */
  async request<T>(
    address: string,
    headers: Record<string, string>,
    use: (answer: Answer) => Promise<T>,
  ): Promise<T> {
    const cut = new AbortController();
    const signal = AbortSignal.any(this.#signal ? [cut.signal, this.#signal] : [cut.signal]);
    const watch = setTimeout(() => cut.abort(), this.patience.stallMs);
    let host = '';
    const failed = (error: unknown): Error =>
      this.#signal?.aborted ? new Cancelled() : this.#networkError(error, host, cut.signal.aborted);
    try {
      const get = (url: URL, init: RequestInit): Promise<Response> => {
        host = url.host;
        return fetch(url, { ...init, signal, redirect: 'manual' }).catch((error: unknown) => {
          throw failed(error);
        });
      };
      const response = await this.#follow(new URL(address), headers, get);
      return await use({
        status: response.status,
        headers: response.headers,
        body: () => pieces(response, watch, failed),
      });
    } finally {
      clearTimeout(watch);
      // Ends a body that nobody reads to its end.
      cut.abort();
    }
  }

  async #follow(
    start: URL,
    headers: Record<string, string>,
    get: (url: URL, init: RequestInit) => Promise<Response>,
  ): Promise<Response> {
    const home = new URL(this.endpoint).origin;
    let url = start;
    for (let hops = 0; hops <= mostRedirects; hops++) {
      const isHub = url.origin === home;
      const response = await get(url, {
        headers: {
          ...headers,
          'user-agent': 'repscope',
          // Ranges and sizes count the bytes of the file itself.
          'accept-encoding': 'identity',
          ...(isHub && this.#token !== '' ? { authorization: `Bearer ${this.#token}` } : {}),
        },
      });
      if (response.ok) return response;
      const target = redirects.includes(response.status) && response.headers.get('location');
      if (!target) {
        const hasToken = this.#token !== '';
        throw statusError(response, { id: this.#id, endpoint: this.endpoint, isHub, hasToken });
      }
      await response.body?.cancel();
      const next = URL.parse(target, url.href);
      const isWeb = next && /^https?:$/.test(next.protocol);
      if (!isWeb || (url.protocol === 'https:' && next.protocol !== 'https:')) {
        throw this.#failed('redirects to an address that is not safe');
      }
      url = next;
    }
    throw this.#failed('redirects in a circle');
  }

  #networkError(error: unknown, host: string, stalled: boolean): Transient {
    // What fetch throws says little; its cause knows.
    const { cause } = error as { cause?: { code?: unknown; message?: unknown } };
    const known = cause?.code ?? cause?.message;
    const why = stalled ? 'no answer' : typeof known === 'string' ? known : 'connection lost';
    return new Transient(
      new UserError(
        'network',
        this.#id,
        `the connection to ${host} failed (${why})`,
        'check the network, the proxy and HF_ENDPOINT, and download again: what has come is kept',
        error,
      ),
    );
  }

  #failed(what: string): UserError {
    const host = new URL(this.endpoint).host;
    return new UserError('failed', this.#id, `${host} ${what}`, 'check HF_ENDPOINT');
  }
}

async function* pieces(
  response: Response,
  watch: NodeJS.Timeout,
  failed: (error: unknown) => Error,
): AsyncGenerator<Uint8Array, void> {
  const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
  while (reader) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      throw failed(error);
    });
    if (done) return;
    watch.refresh();
    yield value;
  }
}
