import { z } from 'zod';
import { UserError } from '../errors.ts';
import type { AnalysisInfo, ParameterInfo } from '../protocol/language-server.ts';
import type { AnalysisDefinition } from './definition.ts';
import { nearWords } from './near-words.ts';
import { rebasin } from './similarity/rebasin.ts';
import { posteriorCollapse } from './collapse/posterior-collapse.ts';
import { neco } from './collapse/neco.ts';
import { neuralCollapse } from './collapse/neural-collapse.ts';
import { intrinsicDim } from './geometry/intrinsic-dim.ts';
import { isotropy } from './geometry/isotropy.ts';
import { precisionRecall } from './geometry/precision-recall.ts';
import { truncation } from './geometry/truncation.ts';
import { manifoldCapacity } from './geometry/manifold-capacity.ts';
import { projection } from './geometry/projection.ts';
import { featureVariance } from './geometry/feature-variance.ts';
import { spectrum } from './geometry/spectrum.ts';
import { entropy } from './geometry/entropy.ts';
import { curvature } from './geometry/curvature.ts';
import { rankCollapse } from './collapse/rank-collapse.ts';
import { attention } from './collapse/attention.ts';
import { lengthCollapse } from './collapse/length-collapse.ts';
import { invariance } from './geometry/invariance.ts';
import { cka } from './similarity/cka.ts';
import { cca } from './similarity/cca.ts';
import { procrustes } from './similarity/procrustes.ts';
import { shape } from './similarity/shape.ts';
import { rsa } from './similarity/rsa.ts';
import { trsa } from './similarity/trsa.ts';
import { mutualKnn } from './similarity/mutual-knn.ts';
import { cknna } from './similarity/cknna.ts';
import { informationImbalance } from './similarity/information-imbalance.ts';
import { persistence } from './geometry/persistence.ts';
import { distanceCorrelation } from './similarity/distance-correlation.ts';
import { hyperbolicity } from './geometry/hyperbolicity.ts';
import { stochasticShape } from './similarity/stochastic-shape.ts';
import { relative } from './similarity/relative.ts';
import { stitching } from './similarity/stitching.ts';
import { ricci } from './similarity/ricci.ts';
import { neuronMatch } from './similarity/neuron-match.ts';
import { compatibility } from './similarity/compatibility.ts';
import { outside } from './similarity/outside.ts';

/** Every analysis, in the order of lists and menus. A new one is a file and a line here. */
export const analyses: readonly AnalysisDefinition[] = [
  cka,
  cca,
  procrustes,
  shape,
  stochasticShape,
  rsa,
  trsa,
  mutualKnn,
  cknna,
  distanceCorrelation,
  informationImbalance,
  relative,
  stitching,
  neuronMatch,
  rebasin,
  ricci,
  compatibility,
  outside,
  intrinsicDim,
  spectrum,
  isotropy,
  entropy,
  curvature,
  invariance,
  persistence,
  hyperbolicity,
  manifoldCapacity,
  projection,
  truncation,
  featureVariance,
  precisionRecall,
  neuralCollapse,
  neco,
  rankCollapse,
  attention,
  lengthCollapse,
  posteriorCollapse,
];

/** @throws UserError `usage` that names the nearest ids. */
export function findAnalysis(id: string): AnalysisDefinition {
  const found = analyses.find((definition) => definition.id === id);
  if (found) return found;
  const ids = analyses.map((definition) => definition.id);
  const near = nearWords(id, ids);
  throw new UserError(
    'usage',
    `analysis '${id}'`,
    'there is none of that name',
    near.length > 0 ? `did you mean ${near.join(' or ')}?` : `choose one of ${ids.join(', ')}`,
  );
}

interface ParameterSchema {
  type?: 'number' | 'integer' | 'boolean' | 'string';
  enum?: string[];
  default?: unknown;
  description?: string;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  exclusiveMaximum?: number;
}

function parameterSchemas(definition: AnalysisDefinition): Record<string, ParameterSchema> {
  const schema = z.toJSONSchema(definition.params, { io: 'input' });
  return (schema.properties ?? {}) as Record<string, ParameterSchema>;
}

/** What pickers, forms and docs say of an analysis. */
export function analysisInfo(definition: AnalysisDefinition): AnalysisInfo {
  const { id, family, title, summary, arity, values, headline, formula, citation, misleads } =
    definition;
  const params = Object.entries(parameterSchemas(definition)).map(
    ([name, schema]): ParameterInfo => ({
      name,
      type: schema.enum
        ? 'choice'
        : schema.type === 'integer'
          ? 'number'
          : (schema.type ?? 'string'),
      ...(schema.enum ? { choices: schema.enum } : {}),
      ...(schema.type === 'integer' ? { integer: true } : {}),
      ...(schema.minimum === undefined ? {} : { minimum: schema.minimum }),
      ...(schema.maximum === undefined ? {} : { maximum: schema.maximum }),
      default: schema.default,
      description: schema.description ?? '',
    }),
  );
  return {
    id,
    family,
    title,
    summary,
    arity,
    ...(definition.relation ? { relation: definition.relation } : {}),
    ...(definition.labels ? { labels: definition.labels } : {}),
    params,
    values,
    headline,
    formula,
    citation,
    misleads,
  };
}

/** What a parameter may be, in words: `one of linear, rbf`, `a whole number at least 0`. */
function rangeOf(schema: ParameterSchema): string {
  if (schema.enum) return `one of ${schema.enum.join(', ')}`;
  if (schema.type === 'boolean') return 'true or false';
  if (schema.type !== 'number' && schema.type !== 'integer') return 'text';
  // The limits of whole numbers as such say nothing.
  const told = (bound: number | undefined) =>
    bound !== undefined && Number.isSafeInteger(bound * 2);
  const bounds = [
    ...(told(schema.minimum) ? [`at least ${schema.minimum!}`] : []),
    ...(schema.exclusiveMinimum === undefined ? [] : [`above ${schema.exclusiveMinimum}`]),
    ...(told(schema.maximum) ? [`at most ${schema.maximum!}`] : []),
    ...(schema.exclusiveMaximum === undefined ? [] : [`below ${schema.exclusiveMaximum}`]),
  ];
  return [schema.type === 'integer' ? 'a whole number' : 'a number', bounds.join(' and ')]
    .join(' ')
    .trim();
}

/** What each parameter of an analysis may be, in words. */
export function parameterRanges(definition: AnalysisDefinition): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parameterSchemas(definition)).map(([name, schema]) => [name, rangeOf(schema)]),
  );
}

/** Text as the command line gives it, in the type that the parameter takes. */
function coerce(raw: unknown, schema: ParameterSchema): unknown {
  if (typeof raw !== 'string') return raw;
  const text = raw.trim();
  if (schema.type === 'number' || schema.type === 'integer')
    return text === '' ? raw : Number(text);
  if (schema.type === 'boolean') return text === 'true' ? true : text === 'false' ? false : raw;
  return text;
}

/**
 * Parameters of a definition from what a user gave, strings (`--set name=value`) included; defaults
 * for the rest.
 * @throws UserError `usage` that names the parameter, what it may be and what was given.
 */
export function parseParams(
  definition: AnalysisDefinition,
  raw: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const schemas = parameterSchemas(definition);
  const names = Object.keys(schemas);
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(raw)) {
    const schema = schemas[name];
    if (schema === undefined) {
      throw new UserError(
        'usage',
        `${definition.id}: parameter '${name}'`,
        'there is none of that name',
        names.length > 0 ? `choose among ${names.join(', ')}` : 'leave it out: it takes none',
      );
    }
    if (value !== undefined) given[name] = coerce(value, schema);
  }
  const parsed = definition.params.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const name = String(issue.path[0]);
  const schema = schemas[name] ?? {};
  const said = typeof raw[name] === 'string' ? raw[name] : JSON.stringify(raw[name]);
  throw new UserError(
    'usage',
    `${definition.id}: parameter '${name}'`,
    `'${said}' is not ${issue.code === 'custom' ? issue.message : rangeOf(schema)}`,
    `give ${issue.code === 'custom' ? issue.message : rangeOf(schema)}, or leave it out for ${JSON.stringify(schema.default)}`,
  );
}
