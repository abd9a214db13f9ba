import { UserError } from '../../errors.ts';
import { Transient } from './retry.ts';

interface Asked {
  id: string;
  endpoint: string;
  /** Whether the hub itself answered, not a host that it redirects to. */
  isHub: boolean;
  hasToken: boolean;
}

/** What a response that is no success means for the user, or that it is worth a repetition. */
export function statusError(
  { status, headers }: Response,
  { id, endpoint, isHub, hasToken }: Asked,
): UserError | Transient {
  const { host } = new URL(endpoint);
  // Addresses of files at other hosts expire; the hub gives a new one.
  if (!isHub && status !== 429 && status < 500) {
    return new Transient(
      new UserError(
        'network',
        id,
        `the host that ${host} redirects to answers ${status}`,
        'download again: what has come is kept',
      ),
    );
  }
  const reason = headers.get('x-error-code');
  if (status === 429 || status >= 500) {
    const waitMs = retryAfterMs(headers.get('retry-after'));
    const when = waitMs === undefined ? 'later' : `in ${Math.ceil(waitMs / 1000)} s`;
    const what =
      status === 429
        ? `${host} limits the number of requests (429)`
        : `${host} is not able to answer (${status})`;
    const token = status === 429 && !hasToken ? ', or set HF_TOKEN, which raises the limit' : '';
    const remedy = `download again ${when}${token}: what has come is kept`;
    return new Transient(new UserError('network', id, what, remedy), waitMs);
  }
  if (reason === 'GatedRepo' || status === 403) {
    const account = hasToken ? 'with the account of your token' : 'and set HF_TOKEN';
    return new UserError(
      'denied',
      id,
      `${host} gives it only to those who may have it (${status})`,
      `accept its licence at ${endpoint}/${id} ${account}`,
    );
  }
  if (status === 401 && hasToken && reason !== 'RepoNotFound') {
    const remedy = 'store a valid one with `hf auth login` or in HF_TOKEN';
    return new UserError('denied', id, `${host} does not accept your access token (401)`, remedy);
  }
  if (reason === 'RevisionNotFound') {
    return new UserError('missing', id, 'has no such revision', 'check --revision');
  }
  if (reason === 'EntryNotFound') {
    const remedy = 'download again, or name another revision';
    return new UserError('missing', id, `${host} has not all files that it lists (404)`, remedy);
  }
  if (status === 401 || status === 404) {
    // To those who may not see it, a private model does not exist.
    const token = hasToken ? 'with a token that may read it' : 'set HF_TOKEN';
    return new UserError(
      'missing',
      id,
      `${host} shows no such model (${status})`,
      `check the id; for a private model ${token}`,
    );
  }
  return new UserError('failed', id, `${host} answers ${status}`, 'check HF_ENDPOINT and the id');
}

/** `Retry-After` in milliseconds: seconds, or a date. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? 1000 * Number(header) : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
