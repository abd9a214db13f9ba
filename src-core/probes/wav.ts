import { UserError } from '../errors.ts';

/** One channel of sound, values −1 to 1. */
export interface Sound {
  /** Samples a second. */
  rate: number;
  samples: Float32Array;
}

interface Format {
  float: boolean;
  channels: number;
  rate: number;
  bits: number;
}

const pcm = 1;
const float = 3;
const extensible = 0xfffe;
/** Rates of real recordings; others are damage. */
const rates = [1_000, 768_000] as const;

/**
 * Reads a RIFF WAVE file: PCM of 8, 16, 24 or 32 bits, or float of 32 or 64; channels are averaged.
 * A data chunk that says to be longer than the file is read to the file's end, as recorders that were
 * cut off leave it.
 *
 * @throws UserError `unsupported` where it is no such file or compressed, `truncated`, `empty`, `non-finite`.
 */
export function readWav(path: string, bytes: Uint8Array): Sound {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || tag(bytes, 0) !== 'RIFF' || tag(bytes, 8) !== 'WAVE') {
    throw new UserError('unsupported', path, 'is not a WAVE file', 'save it as PCM .wav');
  }
  let format: Format | undefined;
  for (let at = 12; at + 8 <= bytes.length;) {
    const name = tag(bytes, at);
    const length = view.getUint32(at + 4, true);
    const start = at + 8;
    if (name === 'fmt ' && length >= 16 && start + length <= bytes.length) {
      format = formatOf(path, view, start, length);
    }
    if (name === 'data') {
      const end = Math.min(start + length, bytes.length);
      if (format) return { rate: format.rate, samples: mono(path, view, format, start, end) };
      break;
    }
    // Chunks begin at even places.
    at = start + length + (length % 2);
  }
  const missing = format ? 'holds no sound' : 'says no sample format';
  throw new UserError('truncated', path, missing, 'save or download it again');
}

const tag = (bytes: Uint8Array, at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));

function formatOf(path: string, view: DataView, at: number, length: number): Format {
  const said = view.getUint16(at, true);
  const code = said === extensible && length >= 26 ? view.getUint16(at + 24, true) : said;
  const format = {
    float: code === float,
    channels: view.getUint16(at + 2, true),
    rate: view.getUint32(at + 4, true),
    bits: view.getUint16(at + 14, true),
  };
  const refuse = (what: string) =>
    new UserError('unsupported', path, what, 'save it as PCM .wav of 16, 24 or 32 bits');
  if (code !== pcm && code !== float) throw refuse(`holds compressed sound (format ${code})`);
  const widths = format.float ? [32, 64] : [8, 16, 24, 32];
  if (!widths.includes(format.bits)) throw refuse(`has ${format.bits} bits a sample`);
  if (format.channels === 0 || format.channels > 64) {
    throw refuse(`has ${format.channels} channels`);
  }
  if (format.rate < rates[0] || format.rate > rates[1]) {
    throw refuse(`has a rate of ${format.rate} Hz`);
  }
  return format;
}

function mono(
  path: string,
  view: DataView,
  { float, channels, bits }: Format,
  start: number,
  end: number,
): Float32Array {
  const width = bits / 8;
  const frames = Math.floor((end - start) / (width * channels));
  if (frames === 0) throw new UserError('empty', path, 'holds no sound', 'record it again');
  const read = reader(view, float, bits);
  const samples = new Float32Array(frames);
  for (let frame = 0; frame < frames; frame++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) {
      sum += read(start + (frame * channels + channel) * width);
    }
    samples[frame] = sum / channels;
  }
  const bad = samples.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return samples;
  throw new UserError('non-finite', path, `sample ${bad + 1} is no number`, 'save it again');
}

function reader(view: DataView, float: boolean, bits: number): (at: number) => number {
  if (float) {
    return bits === 32 ? (at) => view.getFloat32(at, true) : (at) => view.getFloat64(at, true);
  }
  switch (bits) {
    case 8:
      return (at) => (view.getUint8(at) - 128) / 128;
    case 16:
      return (at) => view.getInt16(at, true) / 2 ** 15;
    case 24:
      return (at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 2 ** 23;
    default:
      return (at) => view.getInt32(at, true) / 2 ** 31;
  }
}

/** Zero crossings of the kernel on each side, and where it cuts, as a share of the lower band edge. */
const crossings = 6;
const rolloff = 0.99;

/**
 * Band-limited resampling (J. O. Smith, Digital Audio Resampling): a sinc of {@link crossings} zero
 * crossings under a Hann window, which cuts at 0.99 of the lower of the two band edges.
 */
export function resample({ rate, samples }: Sound, to: number): Sound {
  if (rate === to) return { rate, samples };
  const base = gcd(rate, to);
  const [from, phases] = [rate / base, to / base];
  const cut = rolloff * Math.min(1, to / rate);
  const reach = crossings / cut;
  const taps = 2 * Math.ceil(reach) + 1;
  const out = new Float32Array(Math.ceil((samples.length * phases) / from));
  const kernels = new Map<number, Float64Array>();
  for (let i = 0; i < out.length; i++) {
    const phase = (i * from) % phases;
    const center = (i * from - phase) / phases;
    let kernel = kernels.get(phase);
    if (!kernel) {
      kernel = Float64Array.from(
        { length: taps },
        (_, tap) => windowed((tap - (taps - 1) / 2 - phase / phases) * cut) * cut,
      );
      kernels.set(phase, kernel);
    }
    const first = center - (taps - 1) / 2;
    let sum = 0;
    for (let tap = Math.max(0, -first); tap < taps && first + tap < samples.length; tap++) {
      sum += kernel[tap]! * samples[first + tap]!;
    }
    out[i] = sum;
  }
  return { rate: to, samples: out };
}

function windowed(x: number): number {
  if (Math.abs(x) >= crossings) return 0;
  const hann = Math.cos((Math.PI * x) / (2 * crossings)) ** 2;
  return x === 0 ? 1 : (hann * Math.sin(Math.PI * x)) / (Math.PI * x);
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
