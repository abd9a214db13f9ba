import {
  formatNames,
  type LayerAxes,
  type LayerInfo,
  type ModelOutline,
} from '@repscope/core/models/model.ts';
import type { WorkspaceModel } from '@repscope/core/protocol/language-server.ts';
import * as vscode from 'vscode';
import { readableError } from '../errors.ts';
import { formatBytes, formatCount, formatShape } from '@repscope/core/results/format.ts';
import { mainDtype } from '../labels.ts';
import type { Models } from '../models.ts';

export type ModelNode =
  | { kind: 'model'; model: WorkspaceModel; outline: ModelOutline | Error }
  | { kind: 'layer'; path: string; layer: LayerInfo };

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
    return node.kind === 'model' ? modelItem(node.model, node.outline) : layerItem(node.layer);
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#changed.dispose();
  }
}

function layersOf(node: ModelNode): ModelNode[] {
  if (node.kind === 'layer' || node.outline instanceof Error) return [];
  const { path } = node.model;
  return node.outline.layers.map((layer) => ({ kind: 'layer', path, layer }));
}

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

function layerItem(layer: LayerInfo): vscode.TreeItem {
  const item = new vscode.TreeItem(layer.name);
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
