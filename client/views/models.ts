import type { LayerAxes, LayerInfo, ModelOutline } from '@repscope/core/models/model.ts';
import type { WorkspaceModel } from '@repscope/core/protocol/language-server.ts';
import * as vscode from 'vscode';
import { readableError } from '../errors.ts';
import { formatBytes, formatCount, formatShape } from '@repscope/core/results/format.ts';
import { formatNames, mainDtype } from '../labels.ts';
import type { Models } from '../models.ts';

export type ModelNode =
  { kind: 'model'; model: WorkspaceModel } | { kind: 'layer'; path: string; layer: LayerInfo };

/** Workspace models with their layers. Facts about a file arrive after its row is shown. */
export class ModelsTree implements vscode.TreeDataProvider<ModelNode>, vscode.Disposable {
  readonly #models: Models;
  readonly #log: vscode.LogOutputChannel;
  readonly #changed = new vscode.EventEmitter<ModelNode | undefined>();
  readonly #subscription: vscode.Disposable;
  readonly #known = new Map<string, ModelOutline | Error>();
  /** Paths asked for since the last change; what is known from before shows until the answer. */
  readonly #asked = new Set<string>();

  readonly onDidChangeTreeData = this.#changed.event;

  constructor(models: Models, log: vscode.LogOutputChannel) {
    this.#models = models;
    this.#log = log;
    this.#subscription = models.onDidChange(() => {
      this.#asked.clear();
      this.#changed.fire(undefined);
    });
  }

  async getChildren(node?: ModelNode): Promise<ModelNode[]> {
    try {
      if (node === undefined) {
        return (await this.#models.list()).map((model) => ({ kind: 'model', model }));
      }
      if (node.kind === 'layer') return [];
      const { path } = node.model;
      const { layers } = await this.#models.outline(path);
      return layers.map((layer) => ({ kind: 'layer', path, layer }));
    } catch (error) {
      // The row of an unreadable model says so itself.
      if (node === undefined) this.#log.warn(readableError(error).message);
      return [];
    }
  }

  getTreeItem(node: ModelNode): vscode.TreeItem {
    return node.kind === 'model' ? this.#modelItem(node.model) : layerItem(node.layer);
  }

  #modelItem({ path, name }: WorkspaceModel): vscode.TreeItem {
    const item = new vscode.TreeItem(name, vscode.TreeItemCollapsibleState.Collapsed);
    item.id = path;
    item.contextValue = 'model';
    item.iconPath = new vscode.ThemeIcon('symbol-class');
    item.tooltip = path;
    const known = this.#known.get(path);
    if (known instanceof Error) markUnreadable(item, known);
    else if (known) describe(item, known);
    if (!this.#asked.has(path)) void this.#learn(path);
    return item;
  }

  async #learn(path: string): Promise<void> {
    this.#asked.add(path);
    try {
      this.#known.set(path, await this.#models.outline(path));
    } catch (error) {
      this.#known.set(path, readableError(error));
    }
    // The whole tree: the editor drops a change of a row that it has not drawn yet.
    this.#changed.fire(undefined);
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#changed.dispose();
  }
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
