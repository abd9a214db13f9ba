import { looksLikeHubId } from '@repscope/core/models/resolve.ts';
import { commands } from '@repscope/core/protocol/language-server.ts';
import { CodeActionKind, type CodeAction, type Diagnostic } from 'vscode-languageserver';
import { notCached } from './diagnostics.ts';

/** Quick fixes for a document's diagnostics: a hub model that is not cached can be downloaded. */
export function codeActions(diagnostics: readonly Diagnostic[]): CodeAction[] {
  return diagnostics.flatMap((diagnostic) => {
    if (diagnostic.source !== 'repscope' || diagnostic.code !== notCached) return [];
    const { id } = (diagnostic.data ?? {}) as { id?: unknown };
    if (typeof id !== 'string' || !looksLikeHubId(id)) return [];
    const title = `Download ${id} from the hub…`;
    return [
      {
        title,
        kind: CodeActionKind.QuickFix,
        diagnostics: [diagnostic],
        isPreferred: true,
        command: { title, command: commands.downloadModel, arguments: [id] },
      },
    ];
  });
}
