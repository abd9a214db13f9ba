import { isAbsolute, relative, resolve } from 'node:path';
import { UserError } from '@repscope/core/errors.ts';
import type { Finding } from '@repscope/core/models/model.ts';
import { looksLikeHubId } from '@repscope/core/models/resolve.ts';
import { DiagnosticSeverity, type Diagnostic } from 'vscode-languageserver';
import type { ModelCatalog } from '../model-catalog.ts';
import type { Reference } from '../reference.ts';
import { isCommonEnding, isForeignFormat, looksLikeModelFile } from '../references/language.ts';
import { nearMiss } from './near-miss.ts';

const source = 'repscope';
/** Code of the hint at a hub model that has to be downloaded first; its data names the model. */
export const notCached = 'not-cached';

const severities: Record<Finding['severity'], DiagnosticSeverity> = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  info: DiagnosticSeverity.Information,
};

export interface DiagnosticContext {
  models: ModelCatalog;
  /** Where relative paths of the document start. */
  folders: readonly string[];
  /** In code for a web page `/x.onnx` may be an address of its server. */
  mayBeServed: boolean;
  /** Model files known in the workspace, for suggestions. */
  known: readonly string[];
}

/** What is wrong with the models that a document refers to: one line each, with a code. */
export async function diagnostics(
  references: readonly Reference[],
  context: DiagnosticContext,
): Promise<Diagnostic[]> {
  const found = await Promise.all(
    references.map((reference) =>
      reference.path === undefined
        ? unresolved(reference, context)
        : ofModel(reference, reference.path, context.models),
    ),
  );
  return found.flat();
}

function diagnostic(
  { range }: Reference,
  severity: DiagnosticSeverity,
  code: string,
  message: string,
): Diagnostic {
  return { range, severity, code, source, message: message.replace(/\s+/g, ' ') };
}

async function ofModel(
  reference: Reference,
  path: string,
  models: ModelCatalog,
): Promise<Diagnostic[]> {
  const { name, loader } = reference.mention;
  try {
    const { findings } = await models.outline(path);
    return findings
      .filter(({ severity }) => severity !== 'info')
      .map(({ severity, code, message }) =>
        diagnostic(reference, severities[severity], code, `${name}: ${message}`),
      );
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { code, what, remedy } = error;
    // Fine code may load formats that Repscope does not read.
    const isFormat = code === 'unsupported' || isForeignFormat(path);
    if ((isFormat || isCommonEnding(path)) && !loader) return [];
    const severity = isFormat ? DiagnosticSeverity.Information : DiagnosticSeverity.Error;
    return [diagnostic(reference, severity, code, `${name}: ${what}; ${remedy}`)];
  }
}

async function unresolved(
  reference: Reference,
  { folders, known, mayBeServed }: DiagnosticContext,
): Promise<Diagnostic[]> {
  const { name, loader } = reference.mention;
  if (!loader || (mayBeServed && name.startsWith('/'))) return [];
  if (loader.accepts === 'hub' && looksLikeHubId(name) && !looksLikeModelFile(name)) {
    const message = `${name}: not in the local Hugging Face cache; download it, or run the code once`;
    return [
      { ...diagnostic(reference, DiagnosticSeverity.Hint, notCached, message), data: { id: name } },
    ];
  }
  if (!looksLikeModelFile(name) && !/[/\\]/.test(name)) return [];
  const near = await nearMiss(
    isAbsolute(name) ? [name] : folders.map((f) => resolve(f, name)),
    known,
  );
  const remedy =
    near === undefined ? 'check the path' : `did you mean ${asWritten(near, name, folders)}?`;
  const message = `${name}: no such file; ${remedy}`;
  return [diagnostic(reference, DiagnosticSeverity.Warning, 'missing', message)];
}

/** A suggested path in the form that the code uses: absolute, or relative to where it starts. */
function asWritten(path: string, name: string, folders: readonly string[]): string {
  if (isAbsolute(name)) return path;
  const short = folders
    .map((folder) => relative(folder, path).replaceAll('\\', '/'))
    .sort((a, b) => a.length - b.length)[0];
  return short ?? path;
}
