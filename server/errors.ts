import { toErrorData, UserError, type ErrorData } from '@repscope/core/errors.ts';
import { LSPErrorCodes, ResponseError } from 'vscode-languageserver';

/** An error as a response: a one-line message, and the parts of it as {@link ErrorData}. */
export function toResponseError(error: unknown): ResponseError<ErrorData> {
  const data = toErrorData(error);
  if (data.code === 'cancelled') {
    return new ResponseError(LSPErrorCodes.RequestCancelled, 'cancelled', data);
  }
  return new ResponseError(LSPErrorCodes.RequestFailed, oneLine(data), data);
}

function oneLine({ where, what, remedy }: ErrorData): string {
  return `${where}: ${what}; ${remedy}`.replace(/\s+/g, ' ');
}

export function usage(where: string, what: string, remedy: string): UserError {
  return new UserError('usage', where, what, remedy);
}
