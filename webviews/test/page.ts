// A page as the editor would make it: the same policy, the same classes, the same messages.
import type { WebviewState } from '@repscope/core/protocol/webview.ts';

export const themes = ['vscode-dark', 'vscode-light', 'vscode-high-contrast'] as const;
export type ThemeClass = (typeof themes)[number];

/** The editor's custom properties in its default themes, as far as the pages use them. */
const properties: Record<ThemeClass, Record<string, string>> = {
  'vscode-dark': {
    'editor-background': '#1f1f1f',
    'editor-foreground': '#cccccc',
    foreground: '#cccccc',
    descriptionForeground: '#9d9d9d',
    focusBorder: '#0078d4',
    'panel-border': '#2b2b2b',
    'sideBar-background': '#181818',
    'button-background': '#0078d4',
    'button-foreground': '#ffffff',
    'button-border': '#ffffff12',
    'button-hoverBackground': '#026ec1',
    'button-secondaryBackground': '#313131',
    'button-secondaryForeground': '#cccccc',
    'button-secondaryHoverBackground': '#3c3c3c',
    'dropdown-background': '#313131',
    'dropdown-foreground': '#cccccc',
    'dropdown-border': '#3c3c3c',
    'input-background': '#313131',
    'input-foreground': '#cccccc',
    'input-placeholderForeground': '#989898',
    'settings-textInputBorder': '#3c3c3c',
    'settings-dropdownListBorder': '#454545',
    'list-activeSelectionBackground': '#04395e',
    'list-activeSelectionForeground': '#ffffff',
    'list-inactiveSelectionBackground': '#37373d',
    'list-hoverBackground': '#2a2d2e',
    'editorHoverWidget-background': '#202020',
    'editorHoverWidget-border': '#454545',
    'inputValidation-warningBackground': '#352a05',
    'inputValidation-warningBorder': '#b89500',
    'inputValidation-errorBackground': '#5a1d1d',
    'inputValidation-errorBorder': '#be1100',
    'progressBar-background': '#0078d4',
    'charts-blue': '#59a4f9',
    'editorWarning-foreground': '#cca700',
  },
  'vscode-light': {
    'editor-background': '#ffffff',
    'editor-foreground': '#3b3b3b',
    foreground: '#3b3b3b',
    descriptionForeground: '#3b3b3b',
    focusBorder: '#005fb8',
    'panel-border': '#e5e5e5',
    'sideBar-background': '#f8f8f8',
    'button-background': '#005fb8',
    'button-foreground': '#ffffff',
    'button-border': '#0000001a',
    'button-hoverBackground': '#0258a8',
    'button-secondaryBackground': '#e5e5e5',
    'button-secondaryForeground': '#3b3b3b',
    'button-secondaryHoverBackground': '#cccccc',
    'dropdown-background': '#ffffff',
    'dropdown-foreground': '#3b3b3b',
    'dropdown-border': '#cecece',
    'input-background': '#ffffff',
    'input-foreground': '#3b3b3b',
    'input-placeholderForeground': '#767676',
    'settings-textInputBorder': '#cecece',
    'settings-dropdownListBorder': '#cecece',
    'list-activeSelectionBackground': '#005fb8',
    'list-activeSelectionForeground': '#ffffff',
    'list-inactiveSelectionBackground': '#e4e6f1',
    'list-hoverBackground': '#f2f2f2',
    'editorHoverWidget-background': '#f8f8f8',
    'editorHoverWidget-border': '#c8c8c8',
    'inputValidation-warningBackground': '#f6f5d2',
    'inputValidation-warningBorder': '#b89500',
    'inputValidation-errorBackground': '#f2dede',
    'inputValidation-errorBorder': '#be1100',
    'progressBar-background': '#005fb8',
    'charts-blue': '#1a85ff',
    'editorWarning-foreground': '#bf8803',
  },
  'vscode-high-contrast': {
    'editor-background': '#000000',
    'editor-foreground': '#ffffff',
    foreground: '#ffffff',
    descriptionForeground: '#ffffffb3',
    contrastBorder: '#6fc3df',
    contrastActiveBorder: '#f38518',
    focusBorder: '#f38518',
    'panel-border': '#6fc3df',
    'sideBar-background': '#000000',
    'button-background': '#000000',
    'button-foreground': '#ffffff',
    'button-border': '#6fc3df',
    'button-secondaryForeground': '#ffffff',
    'dropdown-background': '#000000',
    'dropdown-foreground': '#ffffff',
    'dropdown-border': '#6fc3df',
    'input-background': '#000000',
    'input-foreground': '#ffffff',
    'input-placeholderForeground': '#ffffffb3',
    'settings-textInputBorder': '#6fc3df',
    'settings-dropdownListBorder': '#6fc3df',
    'editorHoverWidget-background': '#000000',
    'editorHoverWidget-border': '#6fc3df',
    'inputValidation-warningBackground': '#000000',
    'inputValidation-warningBorder': '#6fc3df',
    'inputValidation-errorBackground': '#000000',
    'inputValidation-errorBorder': '#6fc3df',
    'progressBar-background': '#6fc3df',
    'charts-blue': '#59a4f9',
  },
};

const nonce = 'cmVwc2NvcGUtdGVzdA';

/** How the host treats the page: answers its `ready`, or lets it restore what it kept itself. */
export type Host = 'answers' | 'silent';

/**
 * A webview document at `origin`. Its `acquireVsCodeApi` keeps what the page posts in
 * `window.posted` and answers `ready` with the state, as the editor's does.
 */
export function webviewHtml(
  bundle: 'panel' | 'inspector',
  origin: string,
  theme: ThemeClass,
  state: WebviewState,
  host: Host = 'answers',
): string {
  const data = JSON.stringify(state).replaceAll('<', '\\u003c');
  const style = Object.entries({
    ...properties[theme],
    'font-family': '"DejaVu Sans", sans-serif',
    'font-size': '13px',
    'editor-font-family': 'monospace',
  })
    .map(([name, value]) => `--vscode-${name}: ${value};`)
    .join(' ');
  const policy = [
    "default-src 'none'",
    `img-src ${origin} data:`,
    `style-src ${origin} 'nonce-${nonce}'`,
    `script-src 'nonce-${nonce}'`,
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${bundle}</title>
<style nonce="${nonce}">:root { ${style} }</style>
<link rel="stylesheet" href="${origin}/${bundle}.css">
</head>
<body class="${theme}" data-vscode-theme-kind="${theme}">
<main id="root"></main>
<script nonce="${nonce}">
window.posted = [];
window.acquireVsCodeApi = () => {
  let kept = ${host === 'silent' ? data : 'undefined'};
  return {
    postMessage(message) {
      window.posted.push(message);
      if (message.type === 'ready' && ${host === 'answers'}) {
        window.postMessage({ type: 'state', state: ${data} });
      }
    },
    getState: () => kept,
    setState: (state) => { kept = state; },
  };
};
</script>
<script nonce="${nonce}" src="${origin}/${bundle}.js"></script>
</body>
</html>`;
}
