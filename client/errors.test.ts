import { Cancelled, UserError } from '@repscope/core/errors.ts';
import { describe, expect, it } from 'vitest';
import { readableError, ServerStopped } from './errors.ts';

/** As the connection rejects: an Error with a JSON-RPC code and data. */
const rejected = (code: number, message: string, data?: unknown): Error =>
  Object.assign(new Error(message), { code, data });

describe('readableError', () => {
  it('restores the user error that the server sent as data', () => {
    const data = { code: 'truncated', where: 'a.onnx', what: 'it ends early', remedy: 'refetch' };
    const error = readableError(rejected(-32803, 'request failed', data));
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ code: 'truncated', message: 'a.onnx: it ends early; refetch' });
  });

  it('takes a cancelled request for a cancellation, on either side', () => {
    expect(readableError(rejected(-32800, 'cancelled'))).toBeInstanceOf(Cancelled);
    expect(readableError(rejected(-32802, 'cancelled'))).toBeInstanceOf(Cancelled);
  });

  it('says that the server stopped where the connection is gone', () => {
    for (const code of [-32096, -32097]) {
      const error = readableError(rejected(code, 'Pending response rejected'));
      expect(error).toBeInstanceOf(ServerStopped);
      expect(error.message).toMatch(/^Repscope: the language server stopped; restart it/);
    }
  });

  it('keeps one line of anything else, without its stack', () => {
    const error = readableError(new Error('first line\n    at f (file.js:1:1)'));
    expect(error.message).toBe('Repscope: first line; see the log for details');
  });

  it('does not take half an error for a user error', () => {
    expect(readableError(rejected(-32603, 'broken', { code: 'missing' })).message).toBe(
      'Repscope: broken; see the log for details',
    );
  });
});
