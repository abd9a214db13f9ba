import type { DeviceChoice, DeviceReport } from '../engine/engine.ts';
import type { ErrorData } from '../errors.ts';
import type { Result } from '../results/schema.ts';

/** Bytes that activations may take in memory where the user names no bound. */
export const defaultMemoryLimit = 2 * 1024 ** 3;

export const pools = ['mean', 'last', 'cls', 'none', 'word'] as const;
/** How the tokens of a sample become rows. */
export type Pool = (typeof pools)[number];

/** What feeds a model and which of its values are kept. */
export interface InputOptions {
  /** Probe spec; the embedded default where absent. */
  probe?: string;
  /** Globs over layer names; the model's default layers where absent. */
  layers?: string[];
  pool?: Pool;
}

export interface CaptureOptions extends InputOptions {
  device?: DeviceChoice;
  /** Folder of the activation cache; nothing is kept where absent. */
  cacheFolder?: string;
  /** Bytes that the activation cache may take; those used longest ago go first. */
  cacheLimit?: number;
  /** Bound on memory for activations, in bytes. */
  memoryLimit?: number;
}

export interface AnalyzeJob extends CaptureOptions {
  kind: 'analyze';
  analysis: string;
  /** Model paths, hub ids or matrices (`a.npy`, `b.npz#key`, …), absolute or relative to `cwd`. */
  inputs: string[];
  /** What differs between inputs, one for each in their order; it goes before the job's own. */
  each?: InputOptions[];
  params: Record<string, unknown>;
  /** File of labels, one for each sample; those of the probe where absent. */
  labels?: string;
  cwd: string;
}

export interface CompareJob extends CaptureOptions {
  kind: 'compare';
  inputs: [string, string];
  each?: InputOptions[];
  params: Record<string, unknown>;
  cwd: string;
}

export interface CaptureJob extends CaptureOptions {
  kind: 'capture';
  input: string;
  cwd: string;
  /** The `.safetensors` file to write, one tensor a layer. */
  out: string;
}

export interface DevicesJob {
  kind: 'devices';
}

export type Job = AnalyzeJob | CompareJob | CaptureJob | DevicesJob;

export interface CapturedLayer {
  name: string;
  /** Samples × units. */
  shape: [number, number];
  /** Shape of the layer's value as the run showed it; absent where its rows came from the cache. */
  value?: (number | string)[];
}

/** What each kind of job answers. */
export interface JobAnswers {
  analyze: Result;
  compare: Result;
  capture: { out: string; layers: CapturedLayer[]; warnings: string[] };
  devices: DeviceReport[];
}
export type JobAnswer<J extends Job> = JobAnswers[J['kind']];

export interface Progress {
  /** 0–1 over the whole job. */
  fraction: number;
  message: string;
}

/** Parent → worker. */
export type ToWorker = { type: 'job'; id: number; job: Job } | { type: 'cancel'; id: number };

/** Worker → parent. */
export type FromWorker =
  | { type: 'progress'; id: number; progress: Progress }
  | { type: 'done'; id: number; answer: JobAnswers[keyof JobAnswers] }
  | { type: 'failed'; id: number; error: ErrorData }
  | { type: 'log'; line: string };
