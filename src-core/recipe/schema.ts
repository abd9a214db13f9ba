import { z } from 'zod';
import { pools } from '../jobs/messages.ts';

const name = z
  .string()
  .regex(/^[A-Za-z_][\w.-]*$/, 'a name of letters, digits, dots, dashes and underscores');

const oneOrMore = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

const inputOptions = {
  probe: z.string().min(1).optional().describe('A name under probes, or a probe as --probe takes'),
  layers: oneOrMore.optional().describe('Globs over layer names; the default layers where absent'),
  pool: z.enum(pools).optional().describe('How the tokens of a sample become rows'),
};

const captureSchema = z.strictObject({
  model: z.string().min(1).describe('A name under models, a path or a hub id'),
  ...inputOptions,
});

const analysisSchema = z.strictObject({
  name: name.optional().describe('What results call it; the analysis’s id where absent'),
  analysis: z.string().min(1).describe('Id of an analysis, or compare'),
  inputs: oneOrMore.describe('Names of captures or models, paths, hub ids or matrix files'),
  ...inputOptions,
  labels: z.string().min(1).optional().describe('File of labels, one for each sample'),
  params: z.record(z.string(), z.unknown()).default({}).describe('Parameters of the analysis'),
});

/** A study: `*.repscope.yaml`. Paths are relative to the folder of the file. */
export const recipeSchema = z.strictObject({
  device: z
    .enum(['auto', 'cpu', 'webgpu', 'cuda'])
    .optional()
    .describe('Where analyses run; the fastest device where absent'),
  models: z.record(name, z.string().min(1)).default({}).describe('Models by name: path or hub id'),
  probes: z.record(name, z.string().min(1)).default({}).describe('Probe sets by name'),
  captures: z
    .record(name, captureSchema)
    .default({})
    .describe('What is taken from a model: its layers over a probe set'),
  analyses: z.array(analysisSchema).min(1).describe('What is computed, in this order'),
  report: z
    .strictObject({
      html: z.string().min(1).optional().describe('One page with the plots of all analyses'),
      json: z.string().min(1).optional().describe('All results in one file'),
    })
    .optional()
    .describe('Files to write when the study is done'),
});
export type Recipe = z.infer<typeof recipeSchema>;
export type RecipeAnalysis = Recipe['analyses'][number];
