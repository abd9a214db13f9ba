import { locateModel } from '../../models/locate.ts';
import { openModel } from '../../models/open.ts';
import { formatBytes, formatCount, formatShape } from '../../results/format.ts';
import type { ModelOutline, ValueInfo } from '../../models/model.ts';
import type { Command } from '../command.ts';
import { table } from '../table.ts';

export const inspect: Command = {
  name: 'inspect',
  usage: 'MODEL [--json]',
  summary: 'format, parameters, dtypes, inputs, outputs, layers',
  options: { json: { type: 'boolean' } },
  arity: [1, 1],
  async run({ positionals, flags, print }) {
    const path = await locateModel(positionals[0]!, [process.cwd()]);
    const { outline } = await openModel(path);
    print(flags['json'] === true ? JSON.stringify(outline) : showOutline(outline));
  },
};

function showOutline(outline: ModelOutline): string {
  const dtypes = Object.entries(outline.dtypes).map(([name, n]) => `${formatCount(n)} ${name}`);
  const value = ({ name, dtype, shape }: ValueInfo) => `${name} ${dtype} [${formatShape(shape)}]`;
  const facts = [
    ['path', outline.path],
    ['format', [outline.format, outline.architecture].filter(Boolean).join(', ')],
    ['size', formatBytes(outline.bytes)],
    ['parameters', `${formatCount(outline.parameters)} (${dtypes.join(', ')})`],
    ['inputs', outline.inputs.map(value).join('; ')],
    ['outputs', outline.outputs.map(value).join('; ')],
    ...(outline.runnable ? [] : [['not runnable', outline.notRunnableBecause ?? '']]),
    ...outline.findings.map(({ severity, message }) => [severity, message]),
  ];
  return [
    ...facts.map(([name, fact]) => `${name!.padEnd(12)} ${fact!}`),
    '',
    table(
      ['layer', 'kind', 'shape', 'parameters', 'default'],
      outline.layers.map((layer) => [
        layer.name,
        layer.kind,
        formatShape(layer.shape),
        layer.parameters === undefined ? '' : formatCount(layer.parameters),
        layer.default ? 'yes' : '',
      ]),
    ),
  ].join('\n');
}
