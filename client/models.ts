import type { ModelOutline } from '@repscope/core/models/model.ts';
import {
  InspectModel,
  ListModels,
  type ModelReference,
  type WorkspaceModel,
} from '@repscope/core/protocol/language-server.ts';
import * as vscode from 'vscode';
import type { Server } from './server.ts';

/** The models that the workspace refers to, as the server last told; outlines are read once. */
export class Models implements vscode.Disposable {
  readonly #server: Server;
  readonly #outlines = new Map<string, Promise<ModelOutline>>();
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscription: vscode.Disposable;
  #list: Promise<WorkspaceModel[]> | undefined;

  readonly onDidChange = this.#changed.event;

  constructor(server: Server) {
    this.#server = server;
    this.#subscription = vscode.Disposable.from(
      server.onDidChangeModels(() => this.refresh()),
      server.onDidChangeState((state) => {
        if (state === 'running') this.refresh();
      }),
    );
  }

  list(): Promise<WorkspaceModel[]> {
    return (this.#list ??= this.#server.request(ListModels, null));
  }

  /** What the model file says of itself; reads headers only. */
  outline(path: string): Promise<ModelOutline> {
    const known = this.#outlines.get(path);
    if (known) return known;
    const outline = this.#server.request(InspectModel, { path });
    this.#outlines.set(path, outline);
    // A failure is not remembered: the file may be whole the next time.
    outline.catch(() => this.#outlines.delete(path));
    return outline;
  }

  /** The reference that holds a position of a document, where there is one. */
  async referenceAt(uri: vscode.Uri, position: vscode.Position): Promise<string | undefined> {
    const document = uri.toString();
    const model = (await this.list()).find(({ references }) =>
      references.some(
        (reference) =>
          vscode.Uri.parse(reference.uri).toString() === document && holds(reference, position),
      ),
    );
    return model?.path;
  }

  refresh(): void {
    this.#list = undefined;
    this.#outlines.clear();
    this.#changed.fire();
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#changed.dispose();
  }
}

function holds({ range: { start, end } }: ModelReference, position: vscode.Position): boolean {
  return new vscode.Range(start.line, start.character, end.line, end.character).contains(position);
}
