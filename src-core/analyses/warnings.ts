import type { AnalysisContext } from './definition.ts';
import type { CheckedRows } from './layers.ts';

/** Say which layers hold units that never vary, and which hold nothing else. */
export function warnConstantUnits(layers: readonly CheckedRows[], context: AnalysisContext): void {
  const some: string[] = [];
  for (const { label, d, constantColumns } of layers) {
    if (constantColumns === d) {
      context.warn(
        `${label}: every unit is constant over the samples, so that nothing tells them apart`,
      );
    } else if (constantColumns > 0) {
      some.push(`${label} ${constantColumns} of ${d}`);
    }
  }
  if (some.length > 0) context.warn(`units that are constant over the samples: ${some.join(', ')}`);
}
