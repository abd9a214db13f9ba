/** Colours and type for what is drawn on a canvas, read from the editor's custom properties. */
export interface Theme {
  dark: boolean;
  highContrast: boolean;
  background: string;
  foreground: string;
  muted: string;
  grid: string;
  accent: string;
  tooltipBackground: string;
  tooltipBorder: string;
  fontFamily: string;
  fontSize: number;
  /** False where the user asked for less motion. */
  motion: boolean;
  /** For unordered series: distinct under the common colour deficiencies (after Okabe and Ito). */
  categorical: string[];
  /** For ordered series: the part of viridis that stands out from the background. */
  ordered: string[];
}

/** Viridis (Smith and van der Walt, 2015): even steps in lightness, safe for colour deficiencies. */
export const viridis = [
  '#440154',
  '#482475',
  '#414487',
  '#355f8d',
  '#2a788e',
  '#21918c',
  '#22a884',
  '#44bf70',
  '#7ad151',
  '#bddf26',
  '#fde725',
];

/** Two hues that meet at a light middle, safe for colour deficiencies (after Crameri's vik). */
export const diverging = [
  '#0b3c6f',
  '#3f7fb5',
  '#a8cbe3',
  '#f3f0ec',
  '#eab391',
  '#c7613f',
  '#7a1f12',
];

const categoricalDark = [
  '#56b4e9',
  '#e69f00',
  '#2fc79b',
  '#e58fc1',
  '#f0e442',
  '#8fa8ff',
  '#ff8a5c',
];
const categoricalLight = [
  '#0067a3',
  '#b34700',
  '#00735a',
  '#9c3d85',
  '#6b5a00',
  '#4a56c4',
  '#555555',
];

export function readTheme(): Theme {
  const style = getComputedStyle(document.body);
  const read = (name: string, fallback: string): string =>
    style.getPropertyValue(name).trim() || fallback;
  const classes = document.body.classList;
  const highContrast = ['vscode-high-contrast', 'vscode-high-contrast-light'].some((name) =>
    classes.contains(name),
  );
  const dark = !(
    classes.contains('vscode-light') || classes.contains('vscode-high-contrast-light')
  );
  const foreground = read('--vscode-editor-foreground', dark ? '#cccccc' : '#333333');
  return {
    dark,
    highContrast,
    background: read('--vscode-editor-background', dark ? '#1e1e1e' : '#ffffff'),
    foreground: highContrast ? read('--vscode-foreground', foreground) : foreground,
    muted: highContrast ? foreground : read('--vscode-descriptionForeground', foreground),
    grid: highContrast ? foreground : dark ? '#8080804d' : '#80808040',
    accent: highContrast
      ? read('--vscode-contrastActiveBorder', '#f38518')
      : read('--vscode-focusBorder', '#0078d4'),
    tooltipBackground: read('--vscode-editorHoverWidget-background', dark ? '#252526' : '#f8f8f8'),
    tooltipBorder: read('--vscode-editorHoverWidget-border', dark ? '#454545' : '#c8c8c8'),
    fontFamily: read('--vscode-font-family', 'system-ui, sans-serif'),
    fontSize: 11,
    motion:
      !classes.contains('vscode-reduce-motion') &&
      !matchMedia('(prefers-reduced-motion: reduce)').matches,
    categorical: dark ? categoricalDark : categoricalLight,
    ordered: dark ? viridis.slice(3) : viridis.slice(0, 8),
  };
}

/** Calls back after the editor (or the system) changes its colours, once a frame at most. */
export function onThemeChange(changed: () => void, signal: AbortSignal): void {
  let waiting = false;
  const schedule = (): void => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      changed();
    });
  };
  const observer = new MutationObserver(schedule);
  observer.observe(document.body, { attributes: true, attributeFilter: ['class'] });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style'] });
  matchMedia('(prefers-reduced-motion: reduce)').addEventListener('change', schedule, { signal });
  signal.addEventListener('abort', () => observer.disconnect());
}

/** A colour of an ordered ramp at `position` in [0, 1], mixed between its stops. */
export function rampColor(ramp: readonly string[], position: number): string {
  const scaled = Math.min(1, Math.max(0, position)) * (ramp.length - 1);
  const index = Math.min(ramp.length - 2, Math.floor(scaled));
  const from = channels(ramp[index]!);
  const to = channels(ramp[index + 1]!);
  const mixed = from.map((value, i) => Math.round(value + (to[i]! - value) * (scaled - index)));
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

const channels = (hex: string): number[] =>
  [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));

/** Black or white, whichever contrasts more with the colour (WCAG relative luminance). */
export function inkOn(hex: string): string {
  const [r, g, b] = channels(hex).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b! > 0.179 ? '#000000' : '#ffffff';
}
