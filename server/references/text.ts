import { isAbsolute, join } from 'node:path';

const simple: Record<string, string> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  '`': '`',
  $: '$',
  '/': '/',
  n: '\n',
  t: '\t',
  r: '\r',
  '\n': '',
};

/** The text that a literal's source stands for; undefined where it holds a rarer escape. */
export function unescapeText(source: string): string | undefined {
  const unknown: string[] = [];
  const text = source.replace(
    /\\(x[0-9a-f]{2}|u[0-9a-f]{4}|[^])/gi,
    (_match: string, escape: string) => {
      if (/^[xu]./.test(escape)) return String.fromCharCode(parseInt(escape.slice(1), 16));
      if (!(escape in simple)) unknown.push(escape);
      return simple[escape] ?? '';
    },
  );
  return unknown.length === 0 ? text : undefined;
}

/** `os.path.join`: an absolute part starts anew. */
export function joinPython(parts: readonly string[]): string {
  const from = parts.findLastIndex((part) => isAbsolute(part));
  const rest = parts.slice(Math.max(from, 0)).filter((part) => part !== '');
  return rest.length === 0 ? '' : join(...rest);
}
