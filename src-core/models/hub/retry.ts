import { setTimeout as sleep } from 'node:timers/promises';
import { Cancelled, type UserError } from '../../errors.ts';
import { stopIfAborted } from '../../bytes/byte-source.ts';

/** A failure that may pass when the same is tried again. */
export class Transient extends Error {
  /** What the user reads where it does not pass. */
  readonly reason: UserError;
  /** How long the other side asks to wait. */
  readonly waitMs: number | undefined;

  constructor(reason: UserError, waitMs?: number) {
    super(reason.message, { cause: reason });
    this.reason = reason;
    this.waitMs = waitMs;
  }
}

/** How patient a download is. */
export interface Patience {
  /** Wait before the first repetition; each further one doubles it. */
  backoffMs: number;
  /** Longest wait, asked for by the hub or not; where it asks for more the download ends. */
  longestWaitMs: number;
  /** Time without a byte after which a connection counts as cut. */
  stallMs: number;
}

/** Failures in a row, without progress between them, that end a download. */
const mostFailures = 6;

/**
 * Repeats `operation` while it fails with {@link Transient}, with growing waits.
 * @param hasMoved whether the last attempt got on; the count of failures then starts anew
 */
export async function retrying<T>(
  operation: () => Promise<T>,
  { backoffMs, longestWaitMs }: Patience,
  signal: AbortSignal | undefined,
  hasMoved: () => boolean = () => false,
): Promise<T> {
  for (let failures = 0; ;) {
    stopIfAborted(signal);
    try {
      return await operation();
    } catch (error) {
      if (signal?.aborted) throw new Cancelled();
      if (!(error instanceof Transient)) throw error;
      failures = hasMoved() ? 1 : failures + 1;
      if (failures >= mostFailures || (error.waitMs ?? 0) > longestWaitMs) throw error.reason;
      // Many clients that were cut at once should not all come back at once.
      const backoff = backoffMs * 2 ** (failures - 1) * (0.5 + Math.random() / 2);
      const wait = error.waitMs ?? Math.min(backoff, longestWaitMs);
      await sleep(wait, undefined, signal ? { signal } : {}).catch(() => undefined);
    }
  }
}
