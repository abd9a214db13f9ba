import { formatNames, type LayerAxes, type ModelOutline } from '@repscope/core/models/model.ts';
import {
  groupLabel,
  listLayers,
  type LayerGroup,
  type LayerLeaf,
  type LayerNode,
} from '@repscope/core/models/grouping.ts';
import type { WorkspaceModel } from '@repscope/core/protocol/language-server.ts';
import * as vscode from 'vscode';
import { readableError } from '../errors.ts';
import { formatBytes, formatCount, formatShape } from '@repscope/core/results/format.ts';
import { mainDtype } from '../labels.ts';
import type { Models } from '../models.ts';

export type ModelNode =
  | { kind: 'model'; model: WorkspaceModel; outline: ModelOutline | Error }
  | { kind: 'layers'; path: string; node: LayerNode };

/** Workspace models with their layers. */
export class ModelsTree implements vscode.TreeDataProvider<ModelNode>, vscode.Disposable {
  readonly #models: Models;
  readonly #log: vscode.LogOutputChannel;
  readonly #changed = new vscode.EventEmitter<ModelNode | undefined>();
  readonly #subscription: vscode.Disposable;

  readonly onDidChangeTreeData = this.#changed.event;

  constructor(models: Models, log: vscode.LogOutputChannel) {
    this.#models = models;
    this.#log = log;
    this.#subscription = models.onDidChange(() => this.#changed.fire(undefined));
  }

  async getChildren(node?: ModelNode): Promise<ModelNode[]> {
    if (node !== undefined) return layersOf(node);
    try {
      // Rows come complete: a row that changes under the pointer loses the click.
      return await Promise.all((await this.#models.list()).map((model) => this.#modelNode(model)));
    } catch (error) {
      this.#log.warn(readableError(error).message);
      return [];
    }
  }

  async #modelNode(model: WorkspaceModel): Promise<ModelNode> {
    const outline = await this.#models.outline(model.path).catch(readableError);
    return { kind: 'model', model, outline };
  }

  getTreeItem(node: ModelNode): vscode.TreeItem {
    if (node.kind === 'model') return modelItem(node.model, node.outline);
    return 'layer' in node.node ? layerItem(node.node) : groupItem(node.node);
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#changed.dispose();
  }
}

/** Layers of a model, or of a group of them. */
function layersOf(node: ModelNode): ModelNode[] {
  const nodes = node.kind === 'layers' ? childrenOf(node.node) : modelLayers(node.outline);
  const path = node.kind === 'layers' ? node.path : node.model.path;
  return nodes.map((child) => ({ kind: 'layers', path, node: child }));
}

const childrenOf = (node: LayerNode) => ('layer' in node ? [] : node.children);

const modelLayers = (outline: ModelOutline | Error) =>
  outline instanceof Error ? [] : listLayers(outline.layers);

function modelItem({ path, name }: WorkspaceModel, outline: ModelOutline | Error): vscode.TreeItem {
  const item = new vscode.TreeItem(name, vscode.TreeItemCollapsibleState.Collapsed);
  item.id = path;
  item.contextValue = 'model';
  item.iconPath = new vscode.ThemeIcon('symbol-class');
  if (outline instanceof Error) markUnreadable(item, outline);
  else describe(item, outline);
  return item;
}

function describe(item: vscode.TreeItem, outline: ModelOutline): void {
  const facts = [
    vscode.l10n.t('{0} params', formatCount(outline.parameters)),
    ...(mainDtype(outline) === undefined ? [] : [mainDtype(outline)]),
    formatBytes(outline.bytes),
  ];
  item.description = facts.join(' · ');
  const tooltip = new vscode.MarkdownString();
  tooltip.appendText(outline.path);
  tooltip.appendMarkdown('\n\n');
  tooltip.appendText(
    [formatNames[outline.format], outline.architecture].filter(Boolean).join(' · '),
  );
  for (const { message } of outline.findings) {
    tooltip.appendMarkdown('\n\n');
    tooltip.appendText(message);
  }
  item.tooltip = tooltip;
  const worst = outline.findings.find(({ severity }) => severity !== 'info');
  if (worst) item.iconPath = new vscode.ThemeIcon('warning');
}

function markUnreadable(item: vscode.TreeItem, error: Error): void {
  item.description = vscode.l10n.t('cannot be read');
  item.tooltip = error.message;
  item.iconPath = new vscode.ThemeIcon('error', new vscode.ThemeColor('errorForeground'));
  item.collapsibleState = vscode.TreeItemCollapsibleState.None;
  item.contextValue = 'unreadableModel';
}

const layerIcons: Record<LayerAxes, string> = {
  features: 'symbol-array',
  tokens: 'symbol-string',
  image: 'file-media',
  attention: 'eye',
  unknown: 'symbol-misc',
};

/** A scope of names, or a block that repeats, whose layers are then those of the first. */
function groupItem(group: LayerGroup): vscode.TreeItem {
  const item = new vscode.TreeItem(groupLabel(group), vscode.TreeItemCollapsibleState.Collapsed);
  item.description = [
    vscode.l10n.t('{0} layers', group.count),
    ...(group.parameters > 0 ? [vscode.l10n.t('{0} params', formatCount(group.parameters))] : []),
  ].join(' · ');
  item.iconPath = new vscode.ThemeIcon(group.repeats > 1 ? 'layers' : 'symbol-namespace');
  return item;
}

function layerItem({ label, layer }: LayerLeaf): vscode.TreeItem {
  const item = new vscode.TreeItem(label);
  item.contextValue = 'layer';
  item.description = [
    layer.kind,
    ...(layer.shape ? [formatShape(layer.shape)] : []),
    ...(layer.parameters ? [vscode.l10n.t('{0} params', formatCount(layer.parameters))] : []),
  ].join(' · ');
  item.iconPath = new vscode.ThemeIcon(layerIcons[layer.axes]);
  item.tooltip = layer.default
    ? vscode.l10n.t('{0}: analyzed unless you choose layers', layer.name)
    : layer.name;
  return item;
}
