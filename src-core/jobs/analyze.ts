import type { AnalysisDefinition, NamedRows, Side } from '../analyses/definition.ts';
import { inputCount } from '../analyses/inputs.ts';
import { parseParams } from '../analyses/registry.ts';
import type { Engine } from '../engine/device-engine.ts';
import { UserError } from '../errors.ts';
import { resultSchema, type Result } from '../results/schema.ts';
import { version } from '../version.ts';
import { openMatrix } from '../tensor/matrix-file.ts';
import { openInput, type OpenedInput } from './inputs.ts';
import type { JobHooks } from './job-host.ts';
import { defaultMemoryLimit, type AnalyzeJob, type CaptureOptions } from './messages.ts';

/** Share of the progress bar that opening and capturing take. */
const captureShare = 0.6;

/**
 * Open the inputs, capture what is a model, run the analysis, and describe it all in one result.
 */
export async function analyze(
  definition: AnalysisDefinition,
  specs: readonly string[],
  job: CaptureOptions & Pick<AnalyzeJob, 'params' | 'labels' | 'each' | 'cwd'>,
  engine: Engine,
  hooks: JobHooks,
): Promise<Result> {
  const begun = performance.now();
  const params = parseParams(definition, job.params);
  checkCount(definition, specs);
  const warnings = new Set<string>();
  const warn = (message: string) => void warnings.add(message);
  const opened: OpenedInput[] = [];
  const files: { close(): Promise<void> }[] = [];
  const open = async (spec: string): Promise<NamedRows> => {
    const matrix = await openMatrix(spec, job.cwd);
    files.push(matrix);
    return matrix;
  };
  const input = inputKind(definition, params);
  const bound = job.memoryLimit ?? defaultMemoryLimit;
  // All inputs stay open together, and the analysis needs room beside them.
  const share = bound / 2 / specs.length;
  checkLabels(definition, job.labels);
  try {
    for (const [index, spec] of specs.entries()) {
      const step = (fraction: number, message: string) =>
        hooks.step((captureShare * (index + fraction)) / specs.length, message);
      const options = { ...job, ...job.each?.[index], memoryLimit: share };
      // Labels are those of the samples that all inputs share, else of the first's.
      const labels = definition.relation === 'sets' && index > 0 ? undefined : job.labels;
      opened.push(
        await openInput(spec, {
          cwd: job.cwd,
          options,
          input,
          ...(definition.reduction ? { reduction: definition.reduction } : {}),
          ...(labels === undefined ? {} : { labels }),
          factors: definition.factors ?? false,
          engine,
          warn,
          step,
        }),
      );
    }
    const inputs = opened.flatMap((input) => input.inputs);
    checkPaired(opened, definition, job.each?.some(({ probe }) => probe !== undefined) ?? false);
    const outcome = await definition.run(
      opened.map((input) => input.side),
      params,
      {
        engine,
        warn,
        open,
        memoryLimit: bound - opened.reduce((sum, { side }) => sum + heldBytes(side, share), 0),
        step: (fraction, message = definition.title) =>
          hooks.step(captureShare + (1 - captureShare) * fraction, message),
      },
    );
    const widths = inputs.map((input) => input.shape[1]);
    const probe = opened.find((input) => input.probe)?.probe;
    const { values, estimator, preprocessing, views } = outcome;
    const runtimes = new Set(opened.flatMap(({ runtime }) => runtime ?? []));
    return finite(
      {
        analysis: definition.id,
        version,
        params,
        inputs,
        ...(probe ? { probe } : {}),
        device: [
          engine.device,
          ...(runtimes.size > 0 ? [`(${[...runtimes].join(', ')})`] : []),
        ].join(' '),
        elapsedMs: performance.now() - begun,
        n: inputs[0]!.shape[0],
        d: new Set(widths).size === 1 ? widths[0]! : widths,
        estimator,
        preprocessing,
        values,
        ...(outcome.null ? { null: outcome.null } : {}),
        ...(outcome.interval ? { interval: outcome.interval } : {}),
        views,
      },
      warnings,
    );
  } finally {
    await Promise.all([...opened, ...files].map((source) => source.close()));
  }
}

const inputKind = ({ input = 'samples' }: AnalysisDefinition, params: Record<string, unknown>) =>
  typeof input === 'function' ? input(params) : input;

/** Bytes of captured rows that are in memory: those over the share went to the disk. */
function heldBytes({ layered, layers }: Side, share: number): number {
  const bytes = layers.reduce(
    (sum, { n, d, dtype }) => sum + n * d * (dtype === 'float64' ? 8 : 4),
    0,
  );
  return layered && bytes <= share ? bytes : 0;
}

function checkLabels({ id, labels }: AnalysisDefinition, given: string | undefined): void {
  if (given !== undefined && labels === undefined) {
    throw new UserError('usage', '--labels', `${id} takes no labels`, 'leave it out');
  }
}

function checkCount(definition: AnalysisDefinition, specs: readonly string[]): void {
  const [least, most, takes] = inputCount(definition);
  if (specs.length >= least && specs.length <= most) return;
  throw new UserError(
    'usage',
    definition.id,
    `takes ${takes}, ${specs.length} given`,
    'name models or matrices',
  );
}

function checkPaired(
  opened: readonly OpenedInput[],
  { arity, relation = 'samples', alone }: AnalysisDefinition,
  ownProbes: boolean,
): void {
  const [first, ...others] = opened;
  if (arity === 1 || !first || relation === 'sets' || relation === 'reference') return;
  if (others.length === 0 && !first.side.layered && !alone) {
    throw new UserError(
      'usage',
      first.inputs[0]!.uri,
      'is one representation, and this analysis compares two',
      'name a second matrix, or a model with several layers',
    );
  }
  for (const other of others) checkSameSamples(first, other, relation === 'layers' && ownProbes);
}

/** @param views that the user gave two views of the same samples as probes of their own. */
function checkSameSamples(first: OpenedInput, other: OpenedInput, views: boolean): void {
  if (!first.probe || !other.probe) return;
  const [uri, otherUri] = [first, other].map(({ inputs }) => inputs[0]!.uri);
  if (first.probe.sha256 !== other.probe.sha256 && !views) {
    throw new UserError(
      'wrong-shape',
      otherUri!,
      `was fed other samples (${other.probe.description}) than ${uri} (${first.probe.description})`,
      'name one probe that fits both with --probe',
    );
  }
  const [n, m] = [first, other].map(({ inputs }) => inputs[0]!.shape[0]);
  if (first.probe.pool === 'none' && n !== m) {
    throw new UserError(
      'wrong-shape',
      otherUri!,
      `its tokenizer makes ${m} tokens of the probe, and that of ${uri} ${n}`,
      'pair their words with --pool word, or their samples with --pool mean',
    );
  }
}

/** JSON knows no NaN: write null, and say so. */
function finite(result: Omit<Result, 'warnings'>, warnings: Set<string>): Result {
  const lost = new Set<string>();
  const clean = (value: unknown, key: string): unknown => {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      lost.add(key);
      return null;
    }
    if (ArrayBuffer.isView(value)) return clean(Array.from(value as unknown as number[]), key);
    if (Array.isArray(value)) return value.map((item) => clean(item, key));
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, clean(item, key || name)]),
      );
    }
    return value;
  };
  const values = Object.fromEntries(
    Object.entries(result.values).map(([key, value]) => [key, clean(value, key)]),
  ) as Result['values'];
  if (lost.size > 0 && warnings.size === 0) {
    warnings.add(`${[...lost].join(', ')}: not a finite number for some layers, written as null`);
  }
  const rest = clean({ ...result, values: {} }, '') as Omit<Result, 'warnings'>;
  return resultSchema.parse({ ...rest, values, warnings: [...warnings] });
}
