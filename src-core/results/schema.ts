import { z } from 'zod';

/** A number in a result; what is not finite is written as null, with a warning that says why. */
const real = z.number().nullable();
export type Real = z.infer<typeof real>;

const values: z.ZodType<ResultValue> = z.lazy(() =>
  z.union([real, z.string(), z.boolean(), z.array(values), z.record(z.string(), values)]),
);
export type ResultValue = Real | string | boolean | ResultValue[] | { [key: string]: ResultValue };

const numbers = z.union([real, z.array(real), z.array(z.array(real))]);

const axis = z.object({
  name: z.string(),
  /** Category labels, or positions. */
  values: z.array(z.union([z.string(), real])),
  log: z.boolean().optional(),
});

const scale = z.object({ name: z.string(), log: z.boolean().optional() });

export const viewSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('heatmap'),
    title: z.string(),
    x: axis,
    y: axis,
    /** z[row][column]: row follows y, column follows x. */
    z: z.array(z.array(real)),
    /** Colour range; the data's own where absent. */
    range: z.tuple([z.number(), z.number()]).optional(),
    /** `diverging`: two colours that meet at zero; `sequential` where absent. */
    colors: z.enum(['sequential', 'diverging']).optional(),
    unit: z.string(),
  }),
  z.object({
    kind: z.literal('line'),
    title: z.string(),
    x: axis,
    y: scale,
    series: z.array(
      z.object({
        name: z.string(),
        values: z.array(real),
        low: z.array(real).optional(),
        high: z.array(real).optional(),
      }),
    ),
  }),
  z.object({
    kind: z.literal('scatter'),
    title: z.string(),
    x: scale,
    y: scale,
    series: z.array(
      z.object({
        name: z.string(),
        points: z.array(z.tuple([real, real])),
        /** Draw as a line through the points, for fits. */
        line: z.boolean().optional(),
        /** What each point is, e.g. a sample's text. */
        labels: z.array(z.string()).optional(),
      }),
    ),
    /** Both axes have one scale, as for persistence diagrams and maps. */
    square: z.boolean().optional(),
  }),
  z.object({
    kind: z.literal('histogram'),
    title: z.string(),
    x: scale,
    /** One more edge than there are counts. */
    edges: z.array(z.number()),
    counts: z.array(z.number()),
  }),
  z.object({
    kind: z.literal('bars'),
    title: z.string(),
    x: axis,
    y: scale,
    series: z.array(z.object({ name: z.string(), values: z.array(real) })),
  }),
  z.object({
    kind: z.literal('barcode'),
    title: z.string(),
    x: scale,
    /** Half-open intervals [birth, death); a death of null is infinite. */
    series: z.array(
      z.object({ name: z.string(), intervals: z.array(z.tuple([z.number(), real])) }),
    ),
  }),
  z.object({
    kind: z.literal('graph'),
    title: z.string(),
    /** Where nodes lie is part of the data, so that all who draw it draw the same. */
    nodes: z.array(
      z.object({ name: z.string(), x: z.number(), y: z.number(), value: real.optional() }),
    ),
    /** By index of node. */
    edges: z.array(z.object({ from: z.number(), to: z.number(), value: real.optional() })),
    /** What the values of nodes and edges are. */
    unit: z.string().optional(),
  }),
  z.object({
    kind: z.literal('table'),
    title: z.string(),
    columns: z.array(z.string()),
    rows: z.array(z.array(z.union([z.string(), real]))),
  }),
]);
export type View = z.infer<typeof viewSchema>;

export const inputSchema = z.object({
  /** Path of the model or matrix as the user named it. */
  uri: z.string(),
  /** Layer name; null for a plain matrix. */
  layer: z.string().nullable(),
  /** [samples, units] as analysed. */
  shape: z.tuple([z.number(), z.number()]),
  dtype: z.string(),
  /** Of the model's files or of the matrix file. */
  sha256: z.string(),
});

export const resultSchema = z.object({
  analysis: z.string(),
  /** Version of Repscope that computed it. */
  version: z.string(),
  params: z.record(z.string(), z.unknown()),
  inputs: z.array(inputSchema),
  /** What was fed to the models; absent for plain matrices. */
  probe: z
    .object({
      spec: z.string(),
      description: z.string(),
      sha256: z.string(),
      pool: z.string(),
      /** How many samples have each label, where they have labels, and not too many different ones. */
      labels: z.record(z.string(), z.number()).optional(),
      /** How many groups the samples are in, where they are in groups. */
      groups: z.number().optional(),
    })
    .optional(),
  /** The device that really ran the heavy part, e.g. `cpu`, `webgpu`. */
  device: z.string(),
  elapsedMs: z.number(),
  /** Samples. */
  n: z.number(),
  /** Units: one number where all inputs agree, else one for each input. */
  d: z.union([z.number(), z.array(z.number())]),
  /** E.g. `cka.linear.debiased`. */
  estimator: z.string(),
  preprocessing: z.string(),
  values: z.record(z.string(), values),
  null: z.object({ mean: numbers, sd: numbers, p: numbers, permutations: z.number() }).optional(),
  interval: z
    .object({ low: numbers, high: numbers, level: z.number(), bootstrap: z.number() })
    .optional(),
  warnings: z.array(z.string()),
  views: z.array(viewSchema),
});
/** One finished analysis: the contract of `--json`, of the store and of every panel. */
export type Result = z.infer<typeof resultSchema>;

/** What the Runs view lists. */
export interface RunSummary {
  id: string;
  /** ISO 8601. */
  created: string;
  analysis: string;
  /** Paths analysed, without repetition. */
  uris: string[];
  /** One line: the values people compare, e.g. `cka 0.83`. */
  headline: string;
  warnings: number;
  elapsedMs: number;
  device: string;
}
