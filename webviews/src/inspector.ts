// The inspector: what a model is, its layers and its last results, in a narrow side view.
import { formatNames, type ModelOutline } from '@repscope/core/models/model.ts';
import type { WebviewState } from '@repscope/core/protocol/webview.ts';
import './shared/base.css';
import './inspector.css';
import { button, dropdown, filterBox } from './shared/controls.ts';
import { h } from './shared/dom.ts';
import { formatBytes, formatCount, formatShape } from '@repscope/core/results/format.ts';
import { plural } from './shared/format.ts';
import { Editor } from './shared/host.ts';
import { layerCells, queryLayers, type LayerQuery, type SortKey } from './shared/layers.ts';
import { root } from './shared/root.ts';
import { spark, sparkElement } from './shared/spark.ts';
import { statePage } from './shared/states.ts';

type Runs = Extract<WebviewState, { kind: 'model' }>['runs'];

/** Rows beyond this wait for a filter. */
const rowCap = 500;

const editor = new Editor();

function modelPage(outline: ModelOutline, runs: Runs): HTMLElement {
  return h(
    'article',
    { class: 'inspector' },
    h('h1', { title: outline.path }, outline.name),
    actions(outline),
    facts(outline),
    findings(outline),
    outline.layers.length > 0 ? layerTable(outline) : tensorTable(outline),
    results(runs),
  );
}

function actions({ path, runnable, notRunnableBecause }: ModelOutline): HTMLElement {
  if (!runnable) {
    return h(
      'p',
      { class: 'note' },
      `Cannot be run: ${notRunnableBecause ?? 'only weights are known'}.`,
    );
  }
  return h(
    'div',
    { class: 'actions' },
    button('Analyze…', () => editor.post({ type: 'analyze', path }), 'primary'),
    button('Compare…', () => editor.post({ type: 'compare', path })),
  );
}

function facts(outline: ModelOutline): HTMLElement {
  const dtypes = Object.entries(outline.dtypes)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} (${formatCount(count)})`);
  const values = (list: ModelOutline['inputs']): string[] =>
    list.map(({ name, dtype, shape }) => `${name}: ${dtype} ${formatShape(shape)}`);
  const rows: [string, string[]][] = [
    ['Format', [formatNames[outline.format]]],
    ['Architecture', outline.architecture === undefined ? [] : [outline.architecture]],
    ['Size', [formatBytes(outline.bytes)]],
    ['Parameters', [formatCount(outline.parameters)]],
    ['Types', dtypes],
    ['Inputs', values(outline.inputs)],
    ['Outputs', values(outline.outputs)],
  ];
  return h(
    'dl',
    { class: 'facts' },
    ...rows
      .filter(([, lines]) => lines.length > 0)
      .map(([name, lines]) =>
        h('div', {}, h('dt', {}, name), h('dd', {}, ...lines.map((line) => h('div', {}, line)))),
      ),
  );
}

function findings(outline: ModelOutline): HTMLElement | null {
  if (outline.findings.length === 0) return null;
  return h(
    'ul',
    { class: 'findings', 'aria-label': 'Findings' },
    ...outline.findings.map(({ severity, message }) => h('li', { class: severity }, message)),
  );
}

/** Header cells, each with the columns it sorts by; the kind stands below the name to save width. */
const headings: [SortKey, string][][] = [
  [
    ['name', 'Layer'],
    ['kind', 'Kind'],
  ],
  [['shape', 'Shape']],
  [['parameters', 'Weights']],
];

function layerTable({ layers }: ModelOutline): HTMLElement {
  const query: LayerQuery = { filter: '', kind: '', sort: 'order', descending: false };
  const body = h('tbody');
  const note = h('p', { class: 'note', role: 'status' });
  const sorters = new Map<SortKey, HTMLElement>();
  const headers = headings.map((keys) =>
    h(
      'th',
      { scope: 'col' },
      ...keys.map(([key, label]) => {
        const sorter = h('button', { type: 'button', onclick: () => sortBy(key) }, label);
        sorters.set(key, sorter);
        return sorter;
      }),
    ),
  );
  const show = (): void => {
    const found = queryLayers(layers, query);
    body.replaceChildren(...found.slice(0, rowCap).map(row));
    const all = `${found.length.toLocaleString('en-US')} of ${plural(layers.length, 'layer')}`;
    note.textContent =
      found.length > rowCap
        ? `First ${rowCap} of ${plural(found.length, 'layer')}; filter to see others.`
        : all;
    const direction = query.descending ? 'descending' : 'ascending';
    for (const [key, sorter] of sorters) {
      sorter.dataset['sorted'] = key === query.sort ? direction : 'none';
    }
    headers.forEach((header, at) => {
      const sorted = headings[at]!.some(([key]) => key === query.sort);
      header.setAttribute('aria-sort', sorted ? direction : 'none');
    });
  };
  // A column goes up, down, then back to the model's own order.
  const sortBy = (key: SortKey): void => {
    if (query.sort !== key) Object.assign(query, { sort: key, descending: false });
    else if (!query.descending) query.descending = true;
    else Object.assign(query, { sort: 'order', descending: false });
    show();
  };
  const kinds = [...new Set(layers.map((layer) => layer.kind))];
  const filters = h(
    'div',
    { class: 'filters' },
    filterBox('Filter layers', 'Name or kind', (text) => {
      query.filter = text;
      show();
    }),
    kinds.length > 1 &&
      dropdown(
        'Kind of layer',
        [['', 'All kinds'], ...kinds.map((kind): [string, string] => [kind, kind])],
        (kind) => {
          query.kind = kind;
          show();
        },
      ).element,
  );
  show();
  return h(
    'section',
    {},
    h('h2', {}, 'Layers'),
    filters,
    h(
      'div',
      { class: 'table-region', role: 'region', tabindex: 0, 'aria-label': 'Layers' },
      h('table', { class: 'layers' }, h('thead', {}, h('tr', {}, ...headers)), body),
    ),
    note,
  );
}

function row(layer: ModelOutline['layers'][number]): HTMLElement {
  const [name, kind, shape, parameters] = layerCells(layer);
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, ...breakable(name), h('div', { class: 'muted' }, kind)),
    h('td', {}, shape),
    h('td', { class: 'number' }, parameters),
  );
}

/** Weights by name, where there are no layers to show. */
function tensorTable({ tensors }: ModelOutline): HTMLElement | null {
  if (tensors.length === 0) return null;
  const body = h('tbody');
  const note = h('p', { class: 'note', role: 'status' });
  const show = (filter: string): void => {
    const wanted = filter.trim().toLowerCase();
    const found = tensors.filter(({ name, dtype }) =>
      `${name} ${dtype}`.toLowerCase().includes(wanted),
    );
    body.replaceChildren(...found.slice(0, rowCap).map(tensorRow));
    note.textContent =
      found.length > rowCap
        ? `First ${rowCap} of ${plural(found.length, 'tensor')}; filter to see others.`
        : `${found.length.toLocaleString('en-US')} of ${plural(tensors.length, 'tensor')}`;
  };
  show('');
  return h(
    'section',
    {},
    h('h2', {}, 'Tensors'),
    h('div', { class: 'filters' }, filterBox('Filter tensors', 'Name or type', show)),
    h(
      'div',
      { class: 'table-region', role: 'region', tabindex: 0, 'aria-label': 'Tensors' },
      h(
        'table',
        { class: 'layers tensors' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ...['Tensor', 'Shape', 'Size'].map((label) => h('th', { scope: 'col' }, label)),
          ),
        ),
        body,
      ),
    ),
    note,
  );
}

function tensorRow({ name, dtype, shape, bytes }: ModelOutline['tensors'][number]): HTMLElement {
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, ...breakable(name), h('div', { class: 'muted' }, dtype)),
    h('td', {}, formatShape(shape)),
    h('td', { class: 'number' }, formatBytes(bytes)),
  );
}

/** A name that may break after its separators. */
const breakable = (name: string): (string | HTMLElement)[] =>
  name.split(/(?<=[./_:])/).flatMap((part, at) => (at === 0 ? [part] : [h('wbr'), part]));

function results(runs: Runs): HTMLElement | null {
  if (runs.length === 0) return null;
  return h(
    'section',
    {},
    h('h2', {}, 'Last results'),
    ...runs.map(({ run, result }) => {
      const picture = spark(result);
      return h(
        'div',
        { class: 'run' },
        h('div', { class: 'muted' }, `${run.analysis} · ${new Date(run.created).toLocaleString()}`),
        h('p', { class: 'headline' }, run.headline),
        picture && sparkElement(picture),
        run.warnings > 0 ? h('p', { class: 'note' }, plural(run.warnings, 'warning')) : null,
        button(
          'Open',
          () => editor.post({ type: 'openRun', runId: run.id }),
          'secondary',
          `Open ${run.analysis} ${run.headline}`,
        ),
      );
    }),
  );
}

function show(state: WebviewState): void {
  const page =
    state.kind === 'model'
      ? modelPage(state.outline, state.runs)
      : state.kind === 'result'
        ? statePage({ kind: 'empty', message: state.run.headline }, () => undefined)
        : statePage(state, () => editor.post({ type: 'showLog' }));
  root().replaceChildren(page);
}

editor.connect(show);
