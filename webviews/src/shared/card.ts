import type { View } from '@repscope/core/results/schema.ts';
import { viewKind } from '../views/registry.ts';
import { button, toggle } from './controls.ts';
import { append, h, uniqueId } from './dom.ts';
import { fileName, type Host } from './host.ts';
import { LivePlot, type PointNotes } from './plot.ts';
import type { Selection } from './selection.ts';
import { dataTable } from './table.ts';

/** One view in a frame: title, plot, its table twin and its exports. */
export function viewCard(
  view: View,
  analysis: string,
  selection: Selection,
  notes: PointNotes,
  host: Host,
  say: (text: string) => void,
  signal: AbortSignal,
): HTMLElement {
  const kind = viewKind(view);
  const data = kind.table(view);
  const heading = h('h2', { id: uniqueId('card') }, view.title);
  const actions = h('div', { class: 'actions' });
  const card = h(
    'section',
    { class: `card card-${view.kind}`, 'aria-labelledby': heading.id },
    h('div', { class: 'card-head' }, heading, actions),
  );
  const name = fileName(analysis, view);
  let table: ReturnType<typeof dataTable> | null = null;
  selection.onChange((labels) => table?.select(labels));
  // Built when first asked for: most readers never open it and it may be large.
  const tableElement = (): HTMLElement => {
    table ??= dataTable(view.title, data);
    table.select(selection.labels);
    return table.element;
  };

  if (kind.plot) {
    const plot = new LivePlot(view, kind.plot, selection, notes, say, signal);
    const notesBelow = (kind.plot.notes?.(view) ?? []).map((note) =>
      h('p', { class: 'note' }, note),
    );
    append(card, [plot.element, ...notesBelow]);
    append(actions, [
      toggle(
        'Table',
        (on) => {
          plot.element.hidden = on;
          if (on) plot.element.after(tableElement());
          else table?.element.remove();
        },
        `${view.title} as a table`,
      ),
      button(
        'PNG',
        () => host.savePicture(name, 'png', plot.png()),
        'secondary',
        `Save ${view.title} as PNG`,
      ),
      button(
        'SVG',
        () => host.savePicture(name, 'svg', plot.svg()),
        'secondary',
        `Save ${view.title} as SVG`,
      ),
    ]);
  } else {
    append(card, [tableElement()]);
  }
  if (host.saveTable) {
    const save = host.saveTable.bind(host);
    append(actions, [
      button('CSV', () => save(name, data), 'secondary', `Save ${view.title} as CSV`),
    ]);
  }
  return card;
}
