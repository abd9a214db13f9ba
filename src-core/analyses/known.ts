import { compare } from './compare.ts';
import type { AnalysisDefinition } from './definition.ts';
import { analyses } from './registry.ts';

const known = new Map<string, Pick<AnalysisDefinition, 'title' | 'headline'>>(
  [...analyses, compare].map((definition) => [definition.id, definition]),
);

/**
 * Title and headline value of whatever made a result: an analysis of the registry, the comparison
 * of models, or something that this version does not know, which goes by its id.
 */
export function knownAnalysis(id: string): Pick<AnalysisDefinition, 'title' | 'headline'> {
  return known.get(id) ?? { title: id, headline: id };
}
