import type { Result, RunSummary } from '@repscope/core/results/schema.ts';
import { viewKind } from '../views/registry.ts';
import { viewCard } from './card.ts';
import { wideCards } from './card-widths.ts';
import { button, dropdown } from './controls.ts';
import { append, h } from './dom.ts';
import { baseName } from '@repscope/core/results/format.ts';
import { exact, formatDuration, formatNumber, plural } from './format.ts';
import type { Host } from './host.ts';
import { selectable, Selection } from './selection.ts';
import { groupWarnings, listed } from './warnings.ts';
import { pointStatistics, statisticsAt, statisticsDepth, statisticsTable } from './statistics.ts';

/** The whole page of one finished analysis; `signal` ends what it holds when another takes its place. */
export function resultPage(
  run: RunSummary,
  result: Result,
  title: string | undefined,
  host: Host,
  signal: AbortSignal,
): HTMLElement {
  const selection = new Selection();
  const live = h('div', { class: 'visually-hidden', 'aria-live': 'polite', role: 'status' });
  const say = (text: string): void => {
    live.textContent = text;
  };
  const statistics = statisticsTable(result);
  const views = statistics ? [...result.views, statistics] : result.views;
  const cards = views.map((view) =>
    viewCard(view, result.analysis, selection, pointStatistics(result, view), host, say, signal),
  );
  wideCards(views.map(({ kind }) => kind)).forEach((wide, at) =>
    cards[at]!.classList.toggle('wide', wide),
  );
  return h(
    'article',
    { class: 'result' },
    header(result, title, host),
    numbers(run, result),
    warnings(result),
    readout(result, selection),
    h('div', { class: 'cards' }, ...cards),
    details(run, result),
    live,
  );
}

function header(result: Result, title: string | undefined, host: Host): HTMLElement {
  const widths = Array.isArray(result.d) ? result.d : [result.d];
  const few = [...new Set(widths)];
  const d = few.length <= 3 ? few.join(', ') : `${Math.min(...few)}–${Math.max(...few)}`;
  const facts: [string, string][] = [
    ['Samples × units', `${result.n.toLocaleString('en-US')} × ${d}`],
    ['Estimator', result.estimator],
    ['Device', result.device],
    ['Time', formatDuration(result.elapsedMs)],
  ];
  if (result.probe)
    facts.push(['Probe', `${result.probe.description}, ${result.probe.pool} pooling`]);
  return h(
    'header',
    { class: 'head' },
    h(
      'div',
      { class: 'head-line' },
      h(
        'div',
        { class: 'head-title' },
        h('h1', {}, title ?? result.analysis),
        h('p', { class: 'subject' }, ...subject(result)),
      ),
      h(
        'div',
        { class: 'actions' },
        ...host.exports.map(([label, description, save]) =>
          button(label, save, 'secondary', description),
        ),
      ),
    ),
    factList(facts),
  );
}

/** `minilm · 7 layers, gpt2 · 13 layers`, with the whole path on hover. */
function subject(result: Result): HTMLElement[] {
  const layers = new Map<string, number>();
  for (const { uri, layer } of result.inputs) {
    layers.set(uri, (layers.get(uri) ?? 0) + (layer === null ? 0 : 1));
  }
  return [...layers].map(([uri, count]) =>
    h(
      'span',
      { class: 'model', title: uri },
      h('strong', {}, baseName(uri)),
      count > 0 ? ` ${plural(count, 'layer')}` : '',
    ),
  );
}

const factList = (facts: readonly (readonly [string, string])[]): HTMLElement =>
  h(
    'dl',
    { class: 'facts' },
    ...facts.map(([name, value]) =>
      h('div', {}, h('dt', {}, name), h('dd', { title: value }, value)),
    ),
  );

const manyNumbers = 8;

/** The single numbers of the result, large; a line of text where all its values are lists. */
function numbers(run: RunSummary, result: Result): HTMLElement {
  const scalars = Object.entries(result.values).filter(
    (entry): entry is [string, number | null] => entry[1] === null || typeof entry[1] === 'number',
  );
  if (scalars.length === 0) {
    return h('div', { class: 'numbers' }, h('p', { class: 'headline' }, run.headline));
  }
  // Interval and null distribution belong to the value that run lists show.
  const key = scalars.find(([name]) => run.headline.startsWith(`${name} `))?.[0] ?? scalars[0]![0];
  scalars.sort(([a], [b]) => Number(b === key) - Number(a === key));
  return h(
    'div',
    { class: 'numbers' },
    ...scalars
      .slice(0, manyNumbers)
      .map(([name, value]) =>
        h(
          'div',
          { class: 'number-card' },
          h('div', { class: 'number-name' }, name),
          h('div', { class: 'number-value', title: exact(value) }, formatNumber(value)),
          ...(name === key && statisticsDepth(result) === 0 ? statisticsAt(result, []) : []).map(
            ([label, text]) => h('div', { class: 'number-note' }, `${label} ${text}`),
          ),
        ),
      ),
  );
}

function warnings(result: Result): HTMLElement | null {
  const grouped = groupWarnings(result);
  if (grouped.length === 0) return null;
  return h(
    'section',
    { class: 'warnings', 'aria-label': 'Warnings' },
    h('h2', {}, plural(grouped.length, 'warning')),
    h(
      'ul',
      {},
      ...grouped.map(({ text, of }) =>
        of.length === 0
          ? h('li', {}, text)
          : h('li', {}, text, ' ', h('span', { title: of.join('\n') }, `(${listed(of)})`)),
      ),
    ),
  );
}

/** Picks the label that all plots point out, and pins its values. */
function readout(result: Result, selection: Selection): HTMLElement | null {
  const labels = selectable(result);
  if (labels.length < 2) return null;
  const values = h('div', { class: 'readout-values', 'aria-live': 'polite' });
  const clear = button('Clear', () => selection.set([]), 'secondary', 'Clear the selection');
  const choice = dropdown(
    'Layer to point out',
    [['', 'No layer selected'], ...labels.map((label): [string, string] => [label, label])],
    (value) => selection.set(value === '' ? [] : [value]),
  );
  const show = (chosen: readonly string[]): void => {
    choice.set(labels.includes(chosen[0] ?? '') ? chosen[0]! : '');
    clear.hidden = chosen.length === 0;
    values.replaceChildren(
      ...(chosen.length === 0
        ? [
            h(
              'span',
              { class: 'muted' },
              'Choose a layer here or in a plot to compare it across plots.',
            ),
          ]
        : pinned(result, chosen)),
    );
  };
  selection.onChange(show);
  show([]);
  return h(
    'section',
    { class: 'readout', 'aria-label': 'Selection' },
    choice.element,
    values,
    clear,
  );
}

function pinned(result: Result, chosen: readonly string[]): HTMLElement[] {
  const pin = (name: string, value: string): HTMLElement =>
    h('span', { class: 'pin' }, h('span', { class: 'muted' }, `${name} `), h('strong', {}, value));
  const other = chosen.length > 1 ? [pin('with', chosen[1]!)] : [];
  const seen = new Set<string>();
  const values = result.views.flatMap((view) =>
    (viewKind(view).plot?.readout(view, chosen) ?? []).flatMap(([name, value]) => {
      if (seen.has(`${name} ${value}`)) return [];
      seen.add(`${name} ${value}`);
      return [pin(name, value)];
    }),
  );
  return [...other, ...values];
}

const shortHash = (hash: string): string => hash.slice(0, 12);

/** What it takes to repeat the run. */
function details(run: RunSummary, result: Result): HTMLElement {
  const element = h('details', { class: 'details' }, h('summary', {}, 'How this was computed'));
  const parameters = Object.entries(result.params).map(
    ([name, value]) => `${name} = ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const facts: [string, string][] = [
    ['Analysis', result.analysis],
    ['Parameters', parameters.join(', ') || 'none'],
    ['Preprocessing', result.preprocessing],
    ['Run', `${run.id}, ${new Date(run.created).toLocaleString()}`],
    ['Repscope', result.version],
  ];
  if (result.probe)
    facts.push(['Probe', `${result.probe.spec} (SHA-256 ${shortHash(result.probe.sha256)})`]);
  const inputs = h(
    'table',
    {},
    h('caption', { class: 'visually-hidden' }, 'Inputs'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        ...['Input', 'Layer', 'Samples × units', 'Type', 'SHA-256'].map((name) =>
          h('th', { scope: 'col' }, name),
        ),
      ),
    ),
    h(
      'tbody',
      {},
      ...result.inputs.map((input) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row', title: input.uri }, baseName(input.uri)),
          h('td', {}, input.layer ?? '–'),
          h('td', {}, input.shape.join(' × ')),
          h('td', {}, input.dtype),
          h('td', { class: 'mono', title: input.sha256 }, shortHash(input.sha256)),
        ),
      ),
    ),
  );
  append(element, [
    factList(facts),
    h(
      'div',
      { class: 'table-region', role: 'region', tabindex: 0, 'aria-label': 'Inputs' },
      inputs,
    ),
  ]);
  return element;
}
