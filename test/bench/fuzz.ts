// Damaged files through every reader: crashes, hangs over a second, reads outside the model's folder.
// Each reader runs in a process of its own. Ends with status 1 where anything was found.
// Run: node test/bench/fuzz.ts [cases in millions, 1 by default] [reader] [first seed]
import { fork } from 'node:child_process';
import fs from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fuzz, type FuzzReport } from '../support/fuzz.ts';
import { readers } from '../support/readers.ts';

/** No case may stop a reader's process for longer; its own check is a second. */
const stuckMs = 20_000;
/** Cases between two signs of life. */
const step = 500;
const shown = 5;

interface Part {
  name: string;
  folder: string;
  first: number;
  count: number;
}

interface PartReport extends FuzzReport {
  outside: string[];
  peakMebibytes: number;
}

type Message = { at: number } | { report: PartReport };

/** Notes files that are opened outside `folder` and this project. */
function watchReads(folder: string): Set<string> {
  const project = fileURLToPath(new URL('../../', import.meta.url));
  const outside = new Set<string>();
  const note = (path: unknown): void => {
    if (typeof path !== 'string' && !(path instanceof URL) && !Buffer.isBuffer(path)) return;
    const place = path instanceof URL ? fileURLToPath(path) : resolve(path.toString());
    if (!`${place}${sep}`.startsWith(folder + sep) && !place.startsWith(project))
      outside.add(place);
  };
  const watch = <T extends object>(target: T, names: readonly (keyof T & string)[]): void => {
    for (const name of names) {
      const original = target[name] as (...args: unknown[]) => unknown;
      Object.assign(target, {
        [name]: (...args: unknown[]) => {
          note(args[0]);
          return original.apply(target, args);
        },
      });
    }
  };
  watch(fs, ['open', 'openSync', 'readFile', 'readFileSync', 'createReadStream', 'readdir']);
  watch(fs.promises, ['open', 'readFile', 'readdir']);
  syncBuiltinESMExports();
  return outside;
}

async function runPart({ name, folder, first, count }: Part): Promise<void> {
  const outside = watchReads(folder);
  const reader = readers.find((item) => item.name === name)!;
  const report = await fuzz(reader, folder, first, count, (seed) => {
    if (seed % step === 0) process.send!({ at: seed } satisfies Message);
  });
  const peakMebibytes = Math.round(process.resourceUsage().maxRSS / 1024);
  process.send!({ report: { ...report, outside: [...outside], peakMebibytes } } satisfies Message);
}

/** Runs one reader in a process of its own; one that gives no sign of life is ended. */
function runReader(part: Part): Promise<PartReport> {
  const child = fork(fileURLToPath(import.meta.url), [], {
    env: { ...process.env, REPSCOPE_FUZZ_PART: JSON.stringify(part) },
  });
  return new Promise((done) => {
    let at = part.first;
    let report: PartReport | undefined;
    const stop = () => child.kill('SIGKILL');
    let timer = setTimeout(stop, stuckMs);
    child.on('message', (message: Message) => {
      clearTimeout(timer);
      timer = setTimeout(stop, stuckMs);
      if ('at' in message) at = message.at;
      else report = message.report;
    });
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      const error = `its process ended (${signal ?? code}) after case ${at}`;
      done(
        report ?? {
          reader: part.name,
          cases: at - part.first,
          read: 0,
          crashes: [{ seed: at, file: part.folder, error }],
          hangs: [],
          slowestMs: NaN,
          outside: [],
          peakMebibytes: NaN,
        },
      );
    });
  });
}

function show(report: PartReport, seconds: number): void {
  const { reader, cases, read, crashes, hangs, outside, slowestMs, peakMebibytes } = report;
  const facts = [
    `${cases} cases`,
    `${read} read`,
    `${crashes.length} crashes`,
    `${hangs.length} hangs`,
    `${outside.length} reads outside`,
    `slowest ${slowestMs.toFixed(0)} ms`,
    `peak ${peakMebibytes} MiB`,
    `${seconds.toFixed(0)} s`,
  ];
  process.stdout.write(`${reader.padEnd(14)} ${facts.join(', ')}\n`);
  for (const { seed, error } of crashes.slice(0, shown)) {
    process.stdout.write(`  crash, seed ${seed}: ${error}\n`);
  }
  for (const { seed, ms } of hangs.slice(0, shown)) {
    process.stdout.write(`  hang, seed ${seed}: ${ms.toFixed(0)} ms\n`);
  }
  for (const path of outside.slice(0, shown)) process.stdout.write(`  read ${path}\n`);
}

async function main(): Promise<void> {
  const [millions = '1', only, first = '1'] = process.argv.slice(2);
  const chosen = readers.filter(({ name }) => only === undefined || name === only);
  const count = Math.ceil((Number(millions) * 1e6) / chosen.length);
  const folder = await mkdtemp(join(tmpdir(), 'repscope-fuzz-'));
  let faults = 0;
  try {
    for (const { name } of chosen) {
      const start = performance.now();
      const part = { name, folder: join(folder, name), first: Number(first), count };
      const report = await runReader(part);
      show(report, (performance.now() - start) / 1000);
      faults += report.crashes.length + report.hangs.length + report.outside.length;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  process.exitCode = faults > 0 ? 1 : 0;
}

const part = process.env['REPSCOPE_FUZZ_PART'];
if (part === undefined) await main();
else await runPart(JSON.parse(part) as Part);
