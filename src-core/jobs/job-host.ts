import { compare } from '../analyses/compare.ts';
import { findAnalysis } from '../analyses/registry.ts';
import { createEngine, listDevices, type Engine } from '../engine/device-engine.ts';
import type { DeviceChoice } from '../engine/engine.ts';
import { analyze } from './analyze.ts';
import { capture } from './capture-job.ts';
import type { Job, JobAnswers } from './messages.ts';

/** What a running job reports to and is stopped by. */
export interface JobHooks {
  /** Reports progress over the whole job; throws Cancelled once the user asked to stop. */
  step: (fraction: number, message: string) => Promise<void>;
  signal: AbortSignal;
}

/** Runs jobs in this process, keeping the engine warm between them. */
export class JobHost {
  readonly #engines = new Map<DeviceChoice, Promise<Engine>>();

  async run(job: Job, hooks: JobHooks): Promise<JobAnswers[Job['kind']]> {
    if (job.kind === 'devices') return listDevices();
    await hooks.step(0, 'Starting the engine');
    const engine = await this.#engine(job.device ?? 'auto');
    switch (job.kind) {
      case 'analyze':
        return analyze(findAnalysis(job.analysis), job.inputs, job, engine, hooks);
      case 'compare':
        return analyze(compare, job.inputs, job, engine, hooks);
      case 'capture':
        return capture(job, engine, hooks);
    }
  }

  /** Free what engines keep for the next job: sessions, uploaded matrices. */
  async release(): Promise<void> {
    for (const engine of this.#engines.values()) {
      await engine.then((started) => started.dispose()).catch(() => undefined);
    }
  }

  #engine(choice: DeviceChoice): Promise<Engine> {
    const known = this.#engines.get(choice);
    if (known) return known;
    const engine = createEngine(choice);
    this.#engines.set(choice, engine);
    // A device that failed once may work the next time, e.g. after another process freed it.
    engine.catch(() => this.#engines.delete(choice));
    return engine;
  }
}
