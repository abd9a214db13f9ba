import type { Feed, Schedule } from '../probes/feed.ts';

/** The feed, whose samples are made ready only once however often that is asked for. */
export function prepareOnce(feed: Feed): Feed {
  if (!feed.prepare) return feed;
  let schedule: Promise<Schedule> | undefined;
  return { ...feed, prepare: (step) => (schedule ??= feed.prepare!(step)) };
}

/** Where the rows of each sample begin, and where the last one's end. */
export async function startsOfSamples(
  feed: Feed,
  step: (fraction: number) => Promise<void>,
): Promise<Uint32Array | undefined> {
  const schedule = await feed.prepare?.(step);
  if (!schedule) return undefined;
  const counts = schedule.words ?? schedule.lengths;
  const starts = new Uint32Array(counts.length + 1);
  counts.forEach((count, sample) => (starts[sample + 1] = starts[sample]! + count));
  return starts;
}
