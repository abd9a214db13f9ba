import {
  transformations,
  type AnalysisDefinition,
  type InputKind,
  type Relation,
} from './definition.ts';
import { analyses, analysisInfo, parameterRanges } from './registry.ts';

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const shown = (value: unknown) => (value === '' ? '(empty)' : `\`${String(value)}\``);

/** What it takes, and the shape of what it gives. */
function inputsOf(definition: AnalysisDefinition): string {
  const { arity, relation = 'samples', alone, input = 'samples', labels } = definition;
  const perLayer = 'A model gives every value as an array over its layers.';
  const sides: Record<Relation, string> = {
    samples:
      'Two models or matrices of the same samples; one model alone is compared with itself. Where a side is a model, values are matrices over layers × layers. Of three or more, each is compared with each: values are sides × sides, of models the mean best match of their layers in both directions, with the layers (`layers`) and their matrix (`perLayer`) beside them.',
    layers: `Two models or matrices of the same samples, layer by corresponding layer. ${perLayer}`,
    sets: `Two models or matrices of different samples with the same units, layer by corresponding layer. ${perLayer}`,
    series: 'Two or more models or matrices of the same samples, in an order that matters.',
    reference: `One model or matrix, and a file about its samples. ${perLayer}`,
  };
  const kinds: Record<InputKind, string> = {
    samples: 'Matrices are samples × units.',
    repeats: 'Matrices are samples × units, or samples × repeats × units.',
    tokens:
      'Rows are tokens: models are captured without pooling; a matrix is one sequence of tokens × units, and an array several: sequences × tokens × units, unless the definition says otherwise.',
    attention: 'Attention maps, heads × tokens × tokens.',
    weights: 'Weights are read; models run on the probe where the definition says so.',
  };
  const kind =
    typeof input === 'function' ? 'What rows are depends on the parameters.' : kinds[input];
  return [
    input === 'weights'
      ? `${arity === 1 ? 'One model' : 'Two models'}.`
      : arity === 1
        ? `One model or matrix. ${perLayer}`
        : sides[relation],
    ...(alone ? ['One matrix alone will do, without what compares two.'] : []),
    kind,
    ...(labels
      ? [
          `Labels of the samples are ${labels === 'required' ? 'needed' : 'used where there are any'}: those of the probe, or \`--labels FILE\`.`,
        ]
      : []),
  ].join(' ');
}

/** Which transformations of the units each analysis does not see. */
function invariances(): string {
  const rows = analyses.flatMap(({ id, invariantTo }) =>
    invariantTo
      ? [
          [
            `[\`${id}\`](${id}.md)`,
            ...transformations.map((kind) => (invariantTo.includes(kind) ? '✓' : '')),
          ],
        ]
      : [],
  );
  return `## What leaves the headline value as it is

With default parameters, for transformations of the units of one side alone (of two sets, of both). A test holds every analysis to exactly these.

${table(['id', ...transformations], rows)}
`;
}

/** One analysis as a Markdown page. */
function page(definition: AnalysisDefinition): string {
  const { id, title, summary, family, values, headline, formula, misleads, citation } = definition;
  const ranges = parameterRanges(definition);
  const params = analysisInfo(definition).params.map((parameter) => [
    `\`${parameter.name}\``,
    ranges[parameter.name]!,
    shown(parameter.default),
    parameter.description,
  ]);
  return `# ${title}

\`${id}\` · ${family}

${summary}

${inputsOf(definition)}

## Definition

${formula.split('\n').join('\n\n')}

## Parameters

${params.length > 0 ? table(['name', 'takes', 'default', 'meaning'], params) : 'It takes none.'}

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

${sections.join('\n')}
${invariances()}`;
}

/** File name → Markdown of every page under docs/analyses, generated from the registry. */
export function analysisPages(): Map<string, string> {
  return new Map([
    ['README.md', index()],
    ...analyses.map((definition): [string, string] => [`${definition.id}.md`, page(definition)]),
  ]);
}
