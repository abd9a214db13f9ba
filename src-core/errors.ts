/** What went wrong, as a stable word that diagnostics and tests can key on. */
export type ErrorCode =
  | 'usage'
  | 'missing'
  | 'empty'
  | 'truncated'
  | 'directory'
  | 'not-a-model'
  | 'unsupported'
  | 'unknown-layer'
  | 'wrong-shape'
  | 'too-few-samples'
  | 'constant'
  | 'non-finite'
  | 'unwritable'
  | 'disk-full'
  | 'memory'
  | 'device'
  | 'network'
  | 'denied'
  | 'worker-crashed'
  | 'untrusted'
  | 'failed';

const usageCodes = new Set<ErrorCode>([
  'usage',
  'missing',
  'empty',
  'truncated',
  'directory',
  'not-a-model',
  'unsupported',
  'unknown-layer',
  'wrong-shape',
  'too-few-samples',
  'untrusted',
  'denied',
]);

/** Longer than any path. */
const maxText = 4096;

/** Names out of damaged files may hold line breaks and be of any length. */
function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
  return line.length > maxText ? `${line.slice(0, maxText)}…` : line;
}

/**
 * An error whose reader is the user: it names the place, the cause and the way out, on one line.
 * Anything else that is thrown is a defect of ours.
 */
export class UserError extends Error {
  readonly code: ErrorCode;
  /** The file, layer or option at fault. */
  readonly where: string;
  readonly what: string;
  readonly remedy: string;

  constructor(code: ErrorCode, where: string, what: string, remedy: string, cause?: unknown) {
    super(`${oneLine(where)}: ${oneLine(what)}; ${oneLine(remedy)}`, { cause });
    this.name = 'UserError';
    this.code = code;
    this.where = oneLine(where);
    this.what = oneLine(what);
    this.remedy = oneLine(remedy);
  }

  /** Process exit status of the command line: 2 for bad usage or input, 1 for a failed analysis. */
  get exitStatus(): 1 | 2 {
    return usageCodes.has(this.code) ? 2 : 1;
  }
}

/** Thrown where work stops because its user asked for that. */
export class Cancelled extends Error {
  constructor() {
    super('cancelled');
    this.name = 'Cancelled';
  }
}

/** A plain-data form of an error, for crossing process boundaries. */
export interface ErrorData {
  code: ErrorCode | 'cancelled' | 'internal';
  where: string;
  what: string;
  remedy: string;
  /** Present for `internal` only; goes to the log, never to the user's line. */
  stack?: string;
}

export function toErrorData(error: unknown): ErrorData {
  if (error instanceof UserError) {
    const { code, where, what, remedy } = error;
    return { code, where, what, remedy };
  }
  if (error instanceof Cancelled) {
    return { code: 'cancelled', where: '', what: 'cancelled', remedy: '' };
  }
  const reason = error instanceof Error ? error : new Error(String(error));
  return {
    code: 'internal',
    where: 'repscope',
    what: `internal error: ${reason.message.split('\n', 1)[0] ?? ''}`,
    remedy: 'please report it with the log',
    ...(reason.stack === undefined ? {} : { stack: reason.stack }),
  };
}

export function fromErrorData(data: ErrorData): UserError | Cancelled {
  if (data.code === 'cancelled') return new Cancelled();
  if (data.code === 'internal') {
    const error = new UserError('failed', data.where, data.what, data.remedy);
    if (data.stack !== undefined) error.stack = data.stack;
    return error;
  }
  return new UserError(data.code, data.where, data.what, data.remedy);
}
