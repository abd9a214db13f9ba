import type { AnalysisDefinition } from '../analyses/definition.ts';
import { parseParams } from '../analyses/registry.ts';
import type { Engine } from '../engine/device-engine.ts';
import { UserError } from '../errors.ts';
import { resultSchema, type Result } from '../results/schema.ts';
import { version } from '../version.ts';
import { openInput, type OpenedInput } from './inputs.ts';
import type { JobHooks } from './job-host.ts';
import type { CaptureOptions } from './messages.ts';

/** Share of the progress bar that opening and capturing take. */
const captureShare = 0.6;

/**
 * Open the inputs, capture what is a model, run the analysis, and describe it all in one result.
 */
export async function analyze(
  definition: AnalysisDefinition,
  specs: readonly string[],
  job: CaptureOptions & { params: Record<string, unknown>; cwd: string },
  engine: Engine,
  hooks: JobHooks,
): Promise<Result> {
  const begun = performance.now();
  const params = parseParams(definition, job.params);
  checkCount(definition, specs);
  const warnings = new Set<string>();
  const warn = (message: string) => void warnings.add(message);
  const opened: OpenedInput[] = [];
  try {
    for (const [index, spec] of specs.entries()) {
      const step = (fraction: number, message: string) =>
        hooks.step((captureShare * (index + fraction)) / specs.length, message);
      opened.push(await openInput(spec, { cwd: job.cwd, options: job, engine, warn, step }));
    }
    const inputs = opened.flatMap((input) => input.inputs);
    checkPaired(opened, definition.arity);
    const outcome = await definition.run(
      opened.map((input) => input.side),
      params,
      {
        engine,
        warn,
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
    await Promise.all(opened.map((input) => input.close()));
  }
}

function checkCount({ id, arity }: AnalysisDefinition, specs: readonly string[]): void {
  if (specs.length >= 1 && specs.length <= arity) return;
  throw new UserError(
    'usage',
    id,
    `takes ${arity === 1 ? 'one input' : 'one or two inputs'}, ${specs.length} given`,
    'name models or matrices',
  );
}

function checkPaired(opened: readonly OpenedInput[], arity: 1 | 2): void {
  const [first, second] = opened;
  if (arity === 2 && !second && first?.side.layered === false) {
    throw new UserError(
      'usage',
      first.inputs[0]!.uri,
      'is one representation, and this analysis compares two',
      'name a second matrix, or a model with several layers',
    );
  }
  if (first?.probe && second?.probe && first.probe.sha256 !== second.probe.sha256) {
    throw new UserError(
      'wrong-shape',
      second.inputs[0]!.uri,
      `was fed other samples (${second.probe.description}) than ${first.inputs[0]!.uri} (${first.probe.description})`,
      'name one probe that fits both with --probe',
    );
  }
  const [n, m] = [first, second].map((input) => input?.inputs[0]?.shape[0]);
  if (first?.probe?.pool === 'none' && second?.probe && n !== m) {
    throw new UserError(
      'wrong-shape',
      second.inputs[0]!.uri,
      `its tokenizer makes ${m} tokens of the probe, and that of ${first.inputs[0]!.uri} ${n}`,
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
