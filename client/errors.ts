import { Cancelled, UserError, fromErrorData, type ErrorData } from '@repscope/core/errors.ts';

// JSON-RPC and LSP error codes, as the base protocol numbers them.
const requestCancelled = -32800;
const serverCancelled = -32802;
const pendingResponseRejected = -32097;
const connectionInactive = -32096;

/** The language server is not there to answer. */
export class ServerStopped extends UserError {
  constructor(cause?: unknown) {
    super(
      'failed',
      'Repscope',
      'the language server stopped',
      'restart it, and see the log if it stops again',
      cause,
    );
  }
}

/**
 * What the user reads when a request fails: a {@link UserError} that names place, cause and way out,
 * or {@link Cancelled}. The server sends {@link ErrorData} as the data of its error response.
 */
export function readableError(error: unknown): UserError | Cancelled {
  if (error instanceof UserError || error instanceof Cancelled) return error;
  const reason = error instanceof Error ? error : new Error(String(error));
  const { code, data } = reason as { code?: unknown; data?: unknown };
  if (code === requestCancelled || code === serverCancelled) return new Cancelled();
  if (code === pendingResponseRejected || code === connectionInactive) {
    return new ServerStopped(error);
  }
  if (isErrorData(data)) return fromErrorData(data);
  const line = reason.message.split('\n', 1)[0] ?? '';
  return new UserError('failed', 'Repscope', line, 'see the log for details', error);
}

function isErrorData(data: unknown): data is ErrorData {
  if (typeof data !== 'object' || data === null) return false;
  const { code, where, what, remedy } = data as Partial<ErrorData>;
  return [code, where, what, remedy].every((field) => typeof field === 'string');
}
