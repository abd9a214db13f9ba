import { locateModel } from '../../models/locate.ts';
import { openModel } from '../../models/open.ts';
import { formatBytes, formatCount, formatShape } from '../../results/format.ts';
import { groupLabel, listLayers, type LayerNode } from '../../models/grouping.ts';
import type { LayerInfo, ModelOutline, ValueInfo } from '../../models/model.ts';
import type { Command } from '../command.ts';
import { table } from '../table.ts';

export const inspect: Command = {
  name: 'inspect',
  usage: 'MODEL [--all] [--json]',
  summary: 'format, parameters, dtypes, inputs, outputs, layers (--all: each by its whole name)',
  options: { all: { type: 'boolean' }, json: { type: 'boolean' } },
  arity: [1, 1],
  async run({ positionals, flags, print }) {
    const path = await locateModel(positionals[0]!, [process.cwd()]);
    const { outline } = await openModel(path);
    print(
      flags['json'] === true
        ? JSON.stringify(outline)
        : showOutline(outline, flags['all'] === true),
    );
  },
};

function showOutline(outline: ModelOutline, all: boolean): string {
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
    outline.layers.length > 0 ? layerTable(outline, all) : tensorTable(outline),
  ].join('\n');
}

const layerTable = ({ layers }: ModelOutline, all: boolean): string =>
  table(
    ['layer', 'kind', 'shape', 'parameters', 'default'],
    all ? layers.map((layer) => layerRow(layer.name, layer)) : groupRows(layers),
  );

/** What there is to see where only weights are known. */
const tensorTable = ({ tensors }: ModelOutline): string =>
  table(
    ['tensor', 'type', 'shape', 'size'],
    tensors.map(({ name, dtype, shape, bytes }) => [
      name,
      dtype,
      formatShape(shape),
      formatBytes(bytes),
    ]),
  );

const layerRow = (label: string, layer: LayerInfo): string[] => [
  label,
  layer.kind,
  formatShape(layer.shape),
  layer.parameters === undefined ? '' : formatCount(layer.parameters),
  layer.default ? 'yes' : '',
];

/** Layers by the scopes of their names; blocks that repeat are shown once. */
function groupRows(layers: readonly LayerInfo[]): string[][] {
  const rows = (nodes: readonly LayerNode[], indent: string): string[][] =>
    nodes.flatMap((node) => {
      if ('layer' in node) return [layerRow(indent + node.label, node.layer)];
      const parameters = node.parameters > 0 ? formatCount(node.parameters) : '';
      return [
        [indent + groupLabel(node), '', '', parameters, ''],
        ...rows(node.children, `${indent}  `),
      ];
    });
  return rows(listLayers(layers), '');
}
