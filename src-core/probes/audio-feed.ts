import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { statFile } from '../bytes/byte-source.ts';
import { UserError } from '../errors.ts';
import { readOptionalJson } from '../models/formats/checkpoint-files.ts';
import type { ValueInfo } from '../models/model.ts';
import { formatBytes } from '../results/format.ts';
import { misfit, type Feed, type Target } from './feed.ts';
import type { MediaFiles } from './media-files.ts';
import { sideFile } from './side-file.ts';
import { readWav, resample, type Sound } from './wav.ts';

/** A recording of this size lasts for hours. */
const maxBytes = 2 ** 29;

/** What `preprocessor_config.json` asks for. */
interface AudioPlan {
  /** Samples a second; as recorded where absent. */
  rate?: number;
  /** Whether each recording is brought to mean 0 and deviation 1. */
  normalize: boolean;
}

/** Whether an input takes waveforms: float32 [batch, samples] or [batch, 1, samples]. */
const takesWaveform = ({ dtype, shape }: ValueInfo) =>
  dtype === 'float32' && (shape.length === 2 || (shape.length === 3 && shape[1] === 1));

/**
 * Recordings as one channel, resampled to the rate of the model's feature extractor, and of one
 * length: the model's, else that of the longest. Shorter ones get zeros at the end, longer ones lose
 * theirs.
 * @throws UserError `wrong-shape` where the model takes no waveforms, or rates differ and no file says
 * which one it takes.
 */
export async function audioFeed(
  target: Target,
  { files, ids, labels, path, sha256 }: MediaFiles,
  spec: string,
): Promise<Feed> {
  const [input, ...others] = target.inputs;
  if (!input || others.length > 0 || !takesWaveform(input)) {
    throw misfit(target, spec, 'recordings need a model with one float32 [batch, samples]');
  }
  const plan = await planFor(target);
  const read = async (file: string) => {
    const sound = await open(file);
    return plan.rate === undefined ? sound : resample(sound, plan.rate);
  };
  const { rate, longest } = await survey(files, read);
  const fixed = input.shape.at(-1);
  const length = typeof fixed === 'number' ? fixed : longest;
  const what = files.length === 1 ? '1 recording' : `${files.length} recordings`;
  const how = plan.rate === undefined ? 'as recorded' : 'windowed sinc where recorded otherwise';
  const scaled = plan.normalize ? ', mean 0 and deviation 1' : '';
  return {
    n: files.length,
    ids,
    ...(labels ? { labels } : {}),
    spec,
    description: `${what} of ${basename(path)}, one channel, ${rate} Hz (${how}), cut or filled with zeros to ${length} samples${scaled}`,
    sha256,
    preparation: JSON.stringify({ ...plan, length }),
    inputs: [input.name],
    batch: async (start, end) => {
      const data = new Float32Array((end - start) * length);
      for (const [row, file] of files.slice(start, end).entries()) {
        const samples = (await read(file)).samples.subarray(0, length);
        data.set(plan.normalize ? normalized(samples) : samples, row * length);
      }
      const dims = [end - start, ...(input.shape.length === 3 ? [1] : []), length];
      return { feeds: { [input.name]: { data, dims, dtype: 'float32' } } };
    },
  };
}

async function open(file: string): Promise<Sound> {
  const { size } = await statFile(file);
  if (size <= maxBytes) return readWav(file, await readFile(file));
  throw new UserError('unsupported', file, `has ${formatBytes(size)}`, 'cut it into shorter ones');
}

/** The rate of all recordings, and the samples of the longest. */
async function survey(files: readonly string[], read: (file: string) => Promise<Sound>) {
  let rate: number | undefined;
  let longest = 0;
  for (const file of files) {
    const sound = await read(file);
    rate ??= sound.rate;
    longest = Math.max(longest, sound.samples.length);
    if (sound.rate === rate) continue;
    throw new UserError(
      'wrong-shape',
      file,
      `has ${sound.rate} Hz and ${basename(files[0]!)} ${rate} Hz`,
      'give recordings of one rate, or put a preprocessor_config.json with sampling_rate beside the model',
    );
  }
  return { rate: rate!, longest };
}

async function planFor({ model }: Target): Promise<AudioPlan> {
  const path = await sideFile(model, 'preprocessor_config.json');
  const config = path === undefined ? undefined : await readOptionalJson(path);
  const { sampling_rate: rate, do_normalize: normalize } = config ?? {};
  if (rate === undefined) return { normalize: normalize === true };
  if (typeof rate === 'number' && Number.isInteger(rate) && rate >= 1000 && rate <= 768_000) {
    return { rate, normalize: normalize === true };
  }
  const what = `has sampling_rate = ${JSON.stringify(rate)}`;
  throw new UserError('unsupported', path!, what, 'write a rate in Hz');
}

/** As the feature extractor of wav2vec 2.0 scales it. */
function normalized(samples: Float32Array): Float32Array {
  const mean = samples.reduce((sum, value) => sum + value, 0) / samples.length;
  const variance = samples.reduce((sum, value) => sum + (value - mean) ** 2, 0) / samples.length;
  return samples.map((value) => (value - mean) / Math.sqrt(variance + 1e-7));
}
