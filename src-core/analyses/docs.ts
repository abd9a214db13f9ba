import type { AnalysisDefinition } from './definition.ts';
import { analyses, analysisInfo, parameterRanges } from './registry.ts';

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const shown = (value: unknown) => (value === '' ? '(empty)' : `\`${String(value)}\``);

/** One analysis as a Markdown page. */
function page(definition: AnalysisDefinition): string {
  const { id, title, summary, family, arity, values, headline, formula, misleads, citation } =
    definition;
  const ranges = parameterRanges(definition);
  const params = analysisInfo(definition).params.map((parameter) => [
    `\`${parameter.name}\``,
    ranges[parameter.name]!,
    shown(parameter.default),
    parameter.description,
  ]);
  const inputs =
    arity === 1
      ? 'One model or matrix. A model gives every value as an array over its layers.'
      : 'Two models or matrices of the same samples; one model alone is compared with itself. Where a side is a model, values are matrices over layers × layers.';
  return `# ${title}

\`${id}\` · ${family}

${summary}

${inputs}

## Definition

${formula.split('\n').join('\n\n')}

## Parameters

${table(['name', 'takes', 'default', 'meaning'], params)}

## Values

${table(
  ['key', 'meaning'],
  Object.entries(values).map(([key, meaning]) => [
    `\`${key}\`${key === headline ? ' (headline)' : ''}`,
    meaning,
  ]),
)}

## Invariances

${definition.invariances.map((item) => `- ${item}`).join('\n')}

## When it misleads

${misleads}

## Source

${citation}
`;
}

function index(): string {
  const families = [...new Set(analyses.map(({ family }) => family))];
  const sections = families.map((family) => {
    const rows = analyses
      .filter((definition) => definition.family === family)
      .map(({ id, title, summary }) => [`[\`${id}\`](${id}.md)`, title, summary]);
    return `## ${family}\n\n${table(['id', 'name', 'question'], rows)}\n`;
  });
  return `# Analyses

One page an analysis, made from its definition by \`node scripts/analysis-docs.mjs\`. The command line (\`repscope analyze ID\`) and the editor use the same ids, parameters and values.

${sections.join('\n')}`;
}

/** File name → Markdown of every page under docs/analyses, generated from the registry. */
export function analysisPages(): Map<string, string> {
  return new Map([
    ['README.md', index()],
    ...analyses.map((definition): [string, string] => [`${definition.id}.md`, page(definition)]),
  ]);
}
