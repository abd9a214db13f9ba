import type { WebviewState } from '@repscope/core/protocol/webview.ts';
import { button } from './controls.ts';
import { h } from './dom.ts';

type Plain = Extract<WebviewState, { kind: 'empty' | 'busy' | 'error' }>;

/** The states that all pages share: nothing yet, at work, failed. */
export function statePage(state: Plain, showLog: () => void): HTMLElement {
  switch (state.kind) {
    case 'empty':
      return h('div', { class: 'state' }, h('p', {}, state.message));
    case 'busy':
      return h('div', { class: 'state' }, h('p', {}, state.message), progress(state));
    case 'error':
      return h(
        'div',
        { class: 'state' },
        h(
          'div',
          { class: 'failure', role: 'alert' },
          h('h1', {}, state.what),
          h('p', { class: 'where' }, state.where),
          h('p', {}, state.remedy),
        ),
        h('div', { class: 'actions' }, button('Show Log', showLog)),
      );
  }
}

function progress({ message, fraction }: Extract<Plain, { kind: 'busy' }>): HTMLElement {
  const percent = fraction === null ? undefined : Math.round(fraction * 100);
  const fill = h('div', { class: percent === undefined ? 'fill moving' : 'fill' });
  if (percent !== undefined) fill.style.width = `${percent}%`;
  return h(
    'div',
    { class: 'progress-line' },
    h(
      'div',
      {
        class: 'progress',
        role: 'progressbar',
        'aria-label': message,
        'aria-valuemin': 0,
        'aria-valuemax': 100,
        'aria-valuenow': percent,
      },
      fill,
    ),
    percent === undefined ? null : h('span', { class: 'percent' }, `${percent} %`),
  );
}
