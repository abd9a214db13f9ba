import type { View } from '@repscope/core/results/schema.ts';
import type { Cell, Mark, Plot, PointInfo } from '../views/view-kind.ts';
import { createChart, renderSvg, type EChartsCoreOption, type EChartsType } from './chart.ts';
import { h } from './dom.ts';
import type { Selection } from './selection.ts';
import { onThemeChange, readTheme, type Theme } from './theme.ts';

/** More about a point than its view knows: its null distribution, its interval. */
export type PointNotes = (cell: Cell) => [name: string, value: string][];

const zoomStep = 0.25;

/**
 * A live plot of a view: drawn to fit, redrawn on theme changes, with a tooltip, a keyboard cursor
 * (arrows move, Enter chooses, Escape lets go, + − 0 zoom) and the page's selection shown. Ends with
 * `signal`.
 */
export class LivePlot {
  readonly element: HTMLElement;
  readonly #view: View;
  readonly #plot: Plot<View>;
  readonly #selection: Selection;
  readonly #notes: PointNotes;
  readonly #say: (text: string) => void;
  readonly #surface = h('div', { class: 'surface' });
  #chart: EChartsType | null = null;
  #theme: Theme = readTheme();
  #cursor: Cell | null = null;
  #width = 0;
  #frame = 0;
  /** Hidden behind its table; to be drawn anew when it comes back. */
  #hidden = false;

  constructor(
    view: View,
    plot: Plot<View>,
    selection: Selection,
    notes: PointNotes,
    say: (text: string) => void,
    signal: AbortSignal,
  ) {
    this.#view = view;
    this.#plot = plot;
    this.#selection = selection;
    this.#notes = notes;
    this.#say = say;
    this.element = h(
      'div',
      {
        class: 'plot',
        role: 'img',
        tabindex: 0,
        'aria-label': `${view.title}. ${plot.summary(view)}`,
        'aria-description':
          'Arrow keys move between points, Enter chooses one, Escape lets go, plus and minus zoom.',
      },
      this.#surface,
    );
    this.element.addEventListener('keydown', (event) => this.#key(event));
    this.element.addEventListener('blur', () => this.#move(null));
    selection.onChange(() => this.#mark());
    onThemeChange(() => this.#draw(), signal);
    const observer = new ResizeObserver(() => {
      if (!this.#hidden && Math.abs(this.element.clientWidth - this.#width) < 1) return;
      cancelAnimationFrame(this.#frame);
      this.#frame = requestAnimationFrame(() => this.#draw());
    });
    observer.observe(this.element);
    signal.addEventListener('abort', () => {
      observer.disconnect();
      this.#chart?.dispose();
      this.#chart = null;
    });
  }

  /** The picture as PNG (base64, without prefix) at twice the size. */
  png(): string {
    this.#draw();
    const url = this.#chart!.getDataURL({
      type: 'png',
      pixelRatio: 2,
      backgroundColor: this.#theme.background,
    });
    return url.slice(url.indexOf(',') + 1);
  }

  svg(): string {
    const size = this.#size();
    const option = { ...this.#option(size), backgroundColor: this.#theme.background };
    const ticks = this.#plot.ticks?.(this.#view, size, { x: 1, y: 1 }) ?? {};
    return renderSvg([option, ticks], size.width, size.height);
  }

  #size(): { width: number; height: number } {
    const width = this.element.clientWidth || this.#width || 640;
    return { width, height: this.#plot.height(this.#view, width) };
  }

  #option(size: { width: number; height: number }): EChartsCoreOption {
    const theme = this.#theme;
    return {
      animation: false,
      textStyle: { fontFamily: theme.fontFamily, fontSize: theme.fontSize },
      tooltip: {
        trigger: this.#plot.column ? 'axis' : 'item',
        axisPointer: { type: 'line', lineStyle: { color: theme.muted }, animation: false },
        confine: true,
        transitionDuration: 0,
        backgroundColor: theme.tooltipBackground,
        borderColor: theme.tooltipBorder,
        padding: [6, 10],
        textStyle: {
          color: theme.foreground,
          fontFamily: theme.fontFamily,
          fontSize: theme.fontSize + 1,
        },
        extraCssText: 'box-shadow: 0 2px 8px rgba(0, 0, 0, 0.3); max-width: 90%;',
        // An element, not HTML text: names are never read as markup, and no style attribute is
        // written that the content security policy would refuse.
        formatter: (hovered: Hovered | Hovered[]) => {
          if (Array.isArray(hovered)) return this.#columnTip(hovered[0]?.dataIndex);
          const cell = this.#plot.cellAt(this.#view, hovered.seriesIndex, hovered.dataIndex);
          return cell ? tooltip(this.#point(cell)) : '';
        },
      },
      ...this.#plot.option(this.#view, theme, size),
    };
  }

  /** All series at a position; of a single one what is known of its point. */
  #columnTip(column: number | undefined): HTMLElement | string {
    if (column === undefined) return '';
    if (this.#plot.rows(this.#view) === 1) return tooltip(this.#point({ row: 0, column }));
    return tooltip(this.#plot.column!(this.#view, column, this.#theme));
  }

  #draw(): void {
    this.#hidden = this.element.clientWidth === 0;
    if (this.#hidden) return;
    this.#theme = readTheme();
    const size = this.#size();
    this.#width = size.width;
    this.#surface.style.height = `${size.height}px`;
    if (this.#chart) {
      this.#chart.resize(size);
    } else {
      this.#chart = createChart(this.#surface, size.width, size.height);
      this.#chart.on('click', (event) => {
        const cell = this.#plot.cellAt(
          this.#view,
          event.seriesIndex ?? -1,
          // A click on a line between its points has no index.
          (event as { dataIndex?: number }).dataIndex ?? 0,
        );
        if (cell) this.#choose(cell);
      });
      this.#chart.on('datazoom', () => this.#ticks());
    }
    this.#chart.setOption(this.#option(size), { notMerge: true });
    this.#ticks();
    this.#mark();
  }

  /** Thins the axis labels to what is in sight. */
  #ticks(): void {
    if (!this.#plot.ticks || !this.#chart) return;
    const shares = this.#zooms().map(({ start, end }) => (end - start) / 100);
    const share = { x: shares[0] ?? 1, y: shares[1] ?? 1 };
    this.#chart.setOption(this.#plot.ticks(this.#view, this.#size(), share));
  }

  /** Where the keyboard's cursor starts: the first point, or the first that zooming left in sight. */
  #firstInSight(): Cell {
    const [x, y] = this.#zooms();
    const row = this.#plot.ticks
      ? Math.ceil(((y?.start ?? 0) / 100) * this.#plot.rows(this.#view))
      : 0;
    const columns = this.#plot.columns(this.#view, row);
    return { row, column: this.#plot.ticks ? Math.ceil(((x?.start ?? 0) / 100) * columns) : 0 };
  }

  #zooms(): { start: number; end: number }[] {
    const option = this.#chart?.getOption() as
      { dataZoom?: { start: number; end: number }[] } | undefined;
    return option?.dataZoom ?? [];
  }

  #mark(): void {
    if (!this.#chart) return;
    const mark: Mark = { selected: this.#selection.labels, cursor: this.#cursor };
    this.#chart.setOption({ series: this.#plot.marks(this.#view, this.#theme, mark) });
    // A changed option hides the tooltip, and not at once.
    setTimeout(() => this.#showTip(), 0);
  }

  #showTip(): void {
    if (!this.#cursor) return;
    this.#chart?.dispatchAction({
      type: 'showTip',
      ...this.#plot.locate(this.#view, this.#cursor),
    });
  }

  #point(cell: Cell): PointInfo {
    const point = this.#plot.point(this.#view, cell);
    return { ...point, lines: [...point.lines, ...this.#notes(cell)] };
  }

  #choose(cell: Cell): void {
    this.#selection.set(this.#plot.point(this.#view, cell).labels);
  }

  #move(cell: Cell | null): void {
    if (cell === null && this.#cursor === null) return;
    this.#cursor = cell;
    this.#mark();
    if (cell === null) {
      this.#chart?.dispatchAction({ type: 'hideTip' });
      return;
    }
    const { title, lines } = this.#point(cell);
    this.#say(`${title}: ${lines.map(([name, value]) => `${name} ${value}`).join(', ')}`);
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = this.#plot.rows(this.#view);
    if (rows === 0) return;
    const { row, column } = this.#cursor ?? this.#firstInSight();
    const go = (toRow: number, toColumn: number): void => {
      const nextRow = clamp(toRow, rows);
      const columns = this.#plot.columns(this.#view, nextRow);
      if (columns === 0) return;
      this.#move(
        this.#cursor ? { row: nextRow, column: clamp(toColumn, columns) } : { row, column },
      );
    };
    switch (event.key) {
      case 'ArrowLeft':
        go(row, column - 1);
        break;
      case 'ArrowRight':
        go(row, column + 1);
        break;
      case 'ArrowUp':
        go(row - 1, column);
        break;
      case 'ArrowDown':
        go(row + 1, column);
        break;
      case 'Home':
        go(row, 0);
        break;
      case 'End':
        go(row, Infinity);
        break;
      case 'Enter':
      case ' ':
        if (this.#cursor) this.#choose(this.#cursor);
        else go(row, column);
        break;
      case 'Escape':
        this.#move(null);
        this.#selection.set([]);
        break;
      case '+':
      case '=':
        this.#zoom(1 - zoomStep);
        break;
      case '-':
        this.#zoom(1 / (1 - zoomStep));
        break;
      case '0':
        this.#zoom(Infinity);
        break;
      default:
        return;
    }
    event.preventDefault();
  }

  /** Scales every zoomable axis about the middle of what is shown. */
  #zoom(factor: number): void {
    this.#zooms().forEach(({ start, end }, dataZoomIndex) => {
      const middle = (start + end) / 2;
      const half = Math.min(50, ((end - start) / 2) * factor);
      const low = Math.min(Math.max(0, middle - half), 100 - 2 * half);
      this.#chart?.dispatchAction({
        type: 'dataZoom',
        dataZoomIndex,
        start: low,
        end: low + 2 * half,
      });
    });
  }
}

interface Hovered {
  seriesIndex: number;
  dataIndex: number;
}

const clamp = (value: number, count: number): number => Math.min(Math.max(0, value), count - 1);

function tooltip({ title, lines }: PointInfo): HTMLElement {
  return h(
    'div',
    { class: 'tooltip' },
    h('div', { class: 'tooltip-title' }, title),
    h(
      'dl',
      {},
      ...lines.flatMap(([name, value, color]) => [
        h('dt', {}, color === undefined ? null : swatch(color), name),
        h('dd', {}, value),
      ]),
    ),
  );
}

function swatch(color: string): HTMLElement {
  const element = h('span', { class: 'swatch' });
  element.style.background = color;
  return element;
}
