import type { z } from 'zod';
import type { Reduction } from '../capture/reduction.ts';
import type { Engine } from '../engine/device-engine.ts';
import type { Model } from '../models/model.ts';
import type { Feed } from '../probes/feed.ts';
import type { Result, View } from '../results/schema.ts';
import type { RowSource } from '../tensor/matrix.ts';

/** What an analysis may use besides its data. */
export interface AnalysisContext {
  readonly engine: Engine;
  /** Show a line beside the result: a bias, a dropped row, an assumption that fails. */
  warn(message: string): void;
  /**
   * Report how much is done (0–1), let pending messages in, and throw {@link Cancelled} if the user
   * asked to stop. Call between blocks of at most 100 ms of work.
   */
  step(fraction: number, message?: string): Promise<void>;
  /** Bytes that an analysis may take beside its input; see {@link requireMemory}. */
  readonly memoryLimit: number;
  /**
   * Open a matrix that a parameter names, e.g. a classifier's weights; closed after the run.
   * @throws UserError where it cannot be read.
   */
  open(spec: string): Promise<NamedRows>;
}

export interface NamedRows extends RowSource {
  /** Layer name, or the file's name for a plain matrix. */
  readonly label: string;
  /**
   * Shape of one sample where it is not a plain vector of units, e.g. [repeats, units]; its product
   * is d.
   */
  readonly sample?: readonly number[];
}

/** One model or matrix. A matrix is one layer and is not layered. */
export interface Side {
  readonly name: string;
  readonly layered: boolean;
  readonly layers: readonly NamedRows[];
  /** Class of each row, where the probe or the user says; of each sequence for input `tokens`. */
  readonly labels?: readonly string[];
  /** Features of each row by name, for analyses of several, where the user gives them. */
  readonly factors?: ReadonlyMap<string, readonly string[]>;
  /** Rows of one group (a document, a subject) belong together, never to be split; as labels. */
  readonly groups?: readonly string[];
  /** Where rows are tokens (or words, with --pool word): sequence i has the rows from `sequences[i]` up to `sequences[i + 1]`. */
  readonly sequences?: Uint32Array;
  /** Where the side is a model. */
  readonly model?: Model;
  /** Of a model whose weights are the input: the probe, ready for it. */
  readonly feed?: () => Promise<Feed>;
}

/**
 * What one row of an input is.
 * - `samples`: a vector of units;
 * - `repeats`: the same, or several repeats of it: a matrix file may be samples × repeats × units;
 * - `tokens`: a token of a sequence, told apart by {@link Side.sequences}: models are captured
 *   without pooling, a matrix is one sequence, and an array is sequences × tokens × units;
 * - `attention`: a sample's statistics of each head's attention map, as `attentionStatistics` lists
 *   them; {@link NamedRows.sample} is [heads, statistics]. For models they are computed within the
 *   model's graph, so that the maps are never kept;
 * - `weights`: nothing is captured: the analysis reads the tensors of {@link Side.model}.
 */
export type InputKind = 'samples' | 'repeats' | 'tokens' | 'attention' | 'weights';

/**
 * How the inputs of an analysis of two belong together.
 * - `samples`: the same samples, every layer of one with every layer of the other; one layered side
 *   is compared with itself, and more than two sides each with each;
 * - `layers`: the same samples, corresponding layers only;
 * - `sets`: different samples, corresponding layers only;
 * - `series`: the same samples in two or more models, in an order that matters;
 * - `reference`: a representation, and a matrix about its samples that is not one.
 */
export type Relation = 'samples' | 'layers' | 'sets' | 'series' | 'reference';

/**
 * Transformations of the units of a representation, each sample by the same one: units in another
 * order, a rotation or reflection, one positive factor, a shift, an invertible linear map, and one
 * with a shift.
 */
export const transformations = [
  'permutation',
  'orthogonal',
  'scaling',
  'translation',
  'linear',
  'affine',
] as const;
export type Transformation = (typeof transformations)[number];

/** What an analysis gives back; the runner adds inputs, device, time and warnings. */
export type Outcome = Pick<Result, 'values' | 'estimator' | 'preprocessing'> &
  Partial<Pick<Result, 'null' | 'interval'>> & { views: View[] };

export type Family =
  'similarity' | 'geometry' | 'collapse' | 'features' | 'interventions' | 'weights' | 'dynamics';

/** Everything there is to know of one analysis: one file, one such object. */
export interface AnalysisDefinition<P extends z.ZodObject = z.ZodObject> {
  /** The catalogue's id, e.g. `intrinsic-dim`. */
  id: string;
  family: Family;
  /** Sentence case, for pickers: `Intrinsic dimension`. */
  title: string;
  /** One sentence that says what question it answers. */
  summary: string;
  /** Sides it takes: 1, or 2 and what is more as `relation` says. */
  arity: 1 | 2;
  /** Of two sides; `samples` where absent. */
  relation?: Relation;
  /** Of two sides: one matrix alone will do too, without the values that compare. */
  alone?: true;
  /** What rows are; `samples` where absent. */
  input?: InputKind | ((params: z.infer<P>) => InputKind);
  /**
   * For input `tokens`, where a few numbers of each sample are enough: what a layer's value becomes
   * within the model's own graph. Rows of models are then samples, and
   * {@link Side.sequences} is absent; where a graph takes nothing behind it they are tokens.
   */
  reduction?: Reduction;
  /** Whether it uses the classes of samples. */
  labels?: 'required' | 'optional';
  /** Where labels are a table of features: a file of them becomes {@link Side.factors}. */
  factors?: true;
  /** Every field has a default and a description; the flags, pickers and docs come from it. */
  params: P;
  /** Value keys with what each means, units and shape. */
  values: Record<string, string>;
  /** The value shown in lenses, hovers and run lists. */
  headline: string;
  /** The definition in plain text, with the paper's equation number. */
  formula: string;
  /** Transformations that leave the values unchanged, in words. */
  invariances: string[];
  /**
   * Those of the units that leave the headline value as it is, with default parameters and done to
   * one side alone (of two sets, to both): a test holds every analysis to exactly these.
   */
  invariantTo?: readonly Transformation[];
  /** When the number deceives. */
  misleads: string;
  citation: string;
  run(sides: readonly Side[], params: z.infer<P>, context: AnalysisContext): Promise<Outcome>;
}
