import { checkRecipe } from '@repscope/core/recipe/check.ts';
import { DiagnosticSeverity, type Diagnostic } from 'vscode-languageserver';
import type { SourceDocument } from '../source-document.ts';

/** Whether a document is a recipe, by its name. */
export const isRecipe = ({ uri }: Pick<SourceDocument, 'uri'>): boolean =>
  /\.repscope\.ya?ml$/i.test(uri);

/** What is wrong in a recipe: its form, names that it refers to, analyses and their parameters. */
export function recipeDiagnostics({ uri, path = uri, document }: SourceDocument): Diagnostic[] {
  const { problems } = checkRecipe(document.getText(), path);
  return problems.map(({ range: [start, end], what, remedy }) => ({
    range: { start: document.positionAt(start), end: document.positionAt(end) },
    severity: DiagnosticSeverity.Error,
    code: 'recipe',
    source: 'repscope',
    message: `${what}; ${remedy}`,
  }));
}
