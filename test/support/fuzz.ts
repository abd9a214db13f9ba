// One run of damaged files through one reader.
import { rm } from 'node:fs/promises';
import { Random } from '@repscope/core/analyses/random.ts';
import { damagedCopy } from '@repscope/core/bytes/mutate.ts';
import { prepare, readDamaged, type Reader } from './readers.ts';

/** Longer than any sound reading of these small files takes. */
const hangMs = 1000;

export interface FuzzReport {
  reader: string;
  cases: number;
  /** Files that were read in spite of the damage. */
  read: number;
  /** Cases that ended in an error not meant for users, with the seed of the case. */
  crashes: { seed: number; file: string; error: string }[];
  /** Cases that took longer than a second, twice. */
  hangs: { seed: number; file: string; ms: number }[];
  slowestMs: number;
}

/** Where the run is; told before a case begins. */
export type Started = (seed: number) => void;

/** Case `seed`, which is the same on every machine. */
export function damageOf(sound: readonly { path: string; sound: Uint8Array }[], seed: number) {
  const random = new Random(seed);
  const file = sound[seed % sound.length]!;
  return { path: file.path, bytes: damagedCopy(file.sound, random) };
}

/** Reads cases `[first, first + count)`; `folder` is emptied afterwards. */
export async function fuzz(
  reader: Reader,
  folder: string,
  first: number,
  count: number,
  started: Started = () => undefined,
): Promise<FuzzReport> {
  const sound = await prepare(reader, folder);
  const report: FuzzReport = {
    reader: reader.name,
    cases: count,
    read: 0,
    crashes: [],
    hangs: [],
    slowestMs: 0,
  };
  for (let seed = first; seed < first + count; seed++) {
    started(seed);
    const { path, bytes } = damageOf(sound, seed);
    const timed = async (): Promise<number> => {
      const start = performance.now();
      try {
        if (await readDamaged(reader, path, bytes, folder)) report.read += 1;
      } catch (error) {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        report.crashes.push({ seed, file: path, error: text });
      }
      return performance.now() - start;
    };
    let ms = await timed();
    // A busy machine may be slow once.
    if (ms > hangMs) ms = Math.min(ms, await timed());
    if (ms > hangMs) report.hangs.push({ seed, file: path, ms });
    report.slowestMs = Math.max(report.slowestMs, ms);
  }
  await rm(folder, { recursive: true, force: true });
  return report;
}
