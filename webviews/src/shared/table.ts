import { append, h } from './dom.ts';
import { exact, formatNumber, type TableData } from './format.ts';

/** Cells beyond this stay in the exports; a page with more would be slow to lay out. */
export const cellCap = 20_000;

/** How many of the rows fit under the cap. */
export const shownRows = (table: TableData): number =>
  Math.min(table.rows.length, Math.max(1, Math.floor(cellCap / Math.max(1, table.columns.length))));

/**
 * A real table in a scrollable region. Numbers are shown to six digits and hold all digits in their
 * title. `selected` rows (by their first cell) are pointed out.
 */
export function dataTable(
  caption: string,
  table: TableData,
): { element: HTMLElement; select(labels: readonly string[]): void } {
  const count = shownRows(table);
  const isNumber = (column: number): boolean =>
    column > 0 && table.rows.every((row) => typeof row[column] !== 'string');
  const head = h(
    'thead',
    {},
    h(
      'tr',
      {},
      ...table.columns.map((name, column) =>
        h('th', { scope: 'col', class: isNumber(column) && 'number' }, name),
      ),
    ),
  );
  const body = h('tbody');
  const rows = table.rows.slice(0, count).map((row) =>
    h(
      'tr',
      {},
      ...row.map((value, at) => {
        if (at === 0) {
          const text = typeof value === 'string' ? value : formatNumber(value, 6);
          return h('th', { scope: 'row', title: exact(value) }, text);
        }
        if (typeof value === 'string') return h('td', {}, value);
        return h('td', { class: 'number', title: exact(value) }, formatNumber(value, 6));
      }),
    ),
  );
  append(body, rows);
  const region = h(
    'div',
    { class: 'table-region', role: 'region', tabindex: 0, 'aria-label': `Table: ${caption}` },
    h('table', {}, h('caption', { class: 'visually-hidden' }, caption), head, body),
  );
  const cap =
    count < table.rows.length &&
    h(
      'p',
      { class: 'note' },
      `Showing the first ${count.toLocaleString('en-US')} of ${table.rows.length.toLocaleString('en-US')} rows; exports hold them all.`,
    );
  return {
    element: h('div', {}, region, cap),
    select: (labels) => {
      const chosen = new Set(labels);
      rows.forEach((row, at) =>
        row.classList.toggle('selected', chosen.has(exact(table.rows[at]![0] ?? ''))),
      );
    },
  };
}
