import type { z } from 'zod';
import type { Engine } from '../engine/device-engine.ts';
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
}

export interface NamedRows extends RowSource {
  /** Layer name, or the file's name for a plain matrix. */
  readonly label: string;
}

/** One model or matrix. A matrix is one layer and is not layered. */
export interface Side {
  readonly name: string;
  readonly layered: boolean;
  readonly layers: readonly NamedRows[];
}

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
  /** Sides it compares: 1, or 2 (a single layered side is then compared with itself). */
  arity: 1 | 2;
  /** Every field has a default and a description; the flags, pickers and docs come from it. */
  params: P;
  /** Value keys with what each means, units and shape. */
  values: Record<string, string>;
  /** The value shown in lenses, hovers and run lists. */
  headline: string;
  /** The definition in plain text, with the paper's equation number. */
  formula: string;
  /** Transformations that leave the values unchanged. */
  invariances: string[];
  /** When the number deceives. */
  misleads: string;
  citation: string;
  run(sides: readonly Side[], params: z.infer<P>, context: AnalysisContext): Promise<Outcome>;
}
