import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/**
 * Free what nothing holds any more, now. Blocks of a job lie outside the JavaScript heap, which is
 * small beside them: by itself the collector may leave gigabytes for as long as a process idles.
 */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  // Twice: what finalisers of native objects held goes the second time.
  collect();
  collect();
}
