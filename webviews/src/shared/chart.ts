// The only module that knows the plotting library: just the parts the views need.
import { BarChart, CustomChart, HeatmapChart, LineChart, ScatterChart } from 'echarts/charts';
import {
  DataZoomComponent,
  GridComponent,
  LegendScrollComponent,
  MarkLineComponent,
  MarkPointComponent,
  TooltipComponent,
  VisualMapContinuousComponent,
} from 'echarts/components';
import { init, use, type EChartsCoreOption, type EChartsType } from 'echarts/core';
import { CanvasRenderer, SVGRenderer } from 'echarts/renderers';

use([
  BarChart,
  CanvasRenderer,
  CustomChart,
  DataZoomComponent,
  GridComponent,
  HeatmapChart,
  LegendScrollComponent,
  LineChart,
  MarkLineComponent,
  MarkPointComponent,
  SVGRenderer,
  ScatterChart,
  TooltipComponent,
  VisualMapContinuousComponent,
]);

export type { EChartsCoreOption, EChartsType };

export const createChart = (element: HTMLElement, width: number, height: number): EChartsType =>
  init(element, null, { renderer: 'canvas', width, height });

/** The options, merged in order, drawn once as the text of an SVG file. */
export function renderSvg(
  options: readonly EChartsCoreOption[],
  width: number,
  height: number,
): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    for (const option of options) chart.setOption(option);
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}
