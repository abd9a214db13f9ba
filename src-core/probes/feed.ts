import type { TokenMask } from '../capture/pooling.ts';
import type { FeedTensor } from '../engine/device-engine.ts';
import { UserError } from '../errors.ts';
import type { Model, ValueInfo } from '../models/model.ts';
import { shapeText } from './image.ts';

export interface Batch {
  feeds: Record<string, FeedTensor>;
  tokens?: TokenMask;
}

/** Samples of different lengths, in the order that wastes least on padding. */
export interface Schedule {
  /** Samples in the order of {@link Feed.batch}, longest first. */
  order: Uint32Array;
  /** Tokens of each sample. */
  lengths: Uint32Array;
  /** Words of each sample, where they were asked for. */
  words?: Uint32Array;
}

/** What is known of samples besides the values that feed a model; one entry for each. */
export interface Samples {
  readonly n: number;
  readonly labels?: readonly string[];
  readonly groups?: readonly string[];
  /** Names, e.g. of the files that hold them. */
  readonly ids?: readonly string[];
}

/** A probe set in the form that one model takes. */
export interface Feed extends Samples {
  /** As the user wrote it, `default` where nothing was said. */
  readonly spec: string;
  readonly description: string;
  /** Of the samples, however a model takes them. */
  readonly sha256: string;
  /** What a reader of the result must know of a probe that the user did not choose. */
  readonly caution?: string;
  /** What is done to the samples before they enter the model, where its weights do not say. */
  readonly preparation?: string;
  /** The model inputs that it fills. */
  readonly inputs: readonly string[];
  /** Whether tokens are known to belong to words. */
  readonly hasWords?: boolean;
  /** Work to be done once before the first batch, where there is any: texts become tokens. */
  prepare?(step: (fraction: number) => Promise<void>): Promise<Schedule>;
  /** Samples `[start, end)`, of the schedule's order where there is one, ready to run. */
  batch(start: number, end: number): Promise<Batch>;
}

/** A model, and those of its inputs that the wanted layers need. */
export interface Target {
  model: Model;
  inputs: readonly ValueInfo[];
  /** Whether texts are to be divided into words, each of which becomes a row. */
  byWord: boolean;
}

/** The inputs of an encoder of texts. */
export const textInputs: readonly string[] = ['input_ids', 'attention_mask', 'token_type_ids'];

/** The error for a probe that does not fit a model's inputs. */
export const misfit = ({ model, inputs }: Target, probe: string, what: string) =>
  new UserError(
    'wrong-shape',
    `probe '${probe}'`,
    `${what} (${model.outline.name} takes ${inputs
      .map(({ name, shape }) => `${name} ${shapeText(shape)}`)
      .join(', ')})`,
    'name a probe that fits with --probe',
  );

/** Models that cut an image into tokens give each image as many, and all of them are real. */
export function withImageTokens({ outline }: Model, feed: Feed): Feed {
  const count = outline.layers
    .filter(({ axes, inputs = feed.inputs }) => axes === 'tokens' && sameNames(inputs, feed.inputs))
    .map(({ shape }) => shape?.[1])
    .find((size) => typeof size === 'number');
  if (count === undefined) return feed;
  return {
    ...feed,
    prepare: () =>
      Promise.resolve({
        order: Uint32Array.from({ length: feed.n }, (_, sample) => sample),
        lengths: new Uint32Array(feed.n).fill(count),
      }),
    batch: async (start, end) => {
      const mask = new BigInt64Array((end - start) * count).fill(1n);
      return { ...(await feed.batch(start, end)), tokens: { mask, tokens: count } };
    },
  };
}

const sameNames = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((name) => b.includes(name));
