import { resolve } from 'node:path';
import { stat } from 'node:fs/promises';
import { audioFeed } from '../audio-feed.ts';
import { imageFilesFeed } from '../image-files-feed.ts';
import { isMedia, listMedia } from '../media-files.ts';
import type { ProbeKind } from '../probe-kind.ts';

/** Images or recordings in a folder whose subfolders are labels, or one of them. */
export const media: ProbeKind = {
  forms: 'a folder of images or .wav files',
  async matches(spec, cwd) {
    if (isMedia(spec)) return true;
    return stat(resolve(cwd, spec)).then(
      (stats) => stats.isDirectory(),
      () => false,
    );
  },
  async open(spec, cwd) {
    const files = await listMedia(resolve(cwd, spec));
    return {
      feed: (target) =>
        files.kind === 'image'
          ? imageFilesFeed(target, files, spec)
          : audioFeed(target, files, spec),
    };
  },
};
