// How long a hover takes in a 5,000-line file while an analysis runs in the worker.
// Prints percentiles and ends with status 1 where the 95th reaches the limit.
// Run: node test/bench/hover.ts [path of the server's entry]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { TestClient } from '../../server/testing.ts';

const limitMs = 50;
const hovers = 400;
const root = new URL('../../', import.meta.url);
const entry = process.argv[2] ?? fileURLToPath(new URL('server/main.ts', root));
const model = fileURLToPath(new URL('examples/digits/models/mlp-seed0.onnx', root));

/** A module of `lines` lines in which every 20th loads a model, half of them through constants. */
function program(lines: number): string[] {
  const text = ['import os', 'import onnxruntime as ort', 'FOLDER = "models"', 'SEED = 0'];
  while (text.length < lines) {
    const at = text.length;
    if (at % 20 !== 0) {
      text.push(at % 20 === 1 ? `def step_${at}(x, scale=${at}):` : `    x = x * scale + ${at}`);
    } else {
      const path =
        at % 40 === 0 ? 'os.path.join(FOLDER, f"mlp-seed{SEED}.onnx")' : '"models/mlp-seed0.onnx"';
      text.push(`session_${at} = ort.InferenceSession(${path})`);
    }
  }
  return text;
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;

function report(name: string, times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  const [p50, p95, max] = [percentile(sorted, 0.5), percentile(sorted, 0.95), sorted.at(-1)!];
  const figures = [`p50 ${p50.toFixed(1)}`, `p95 ${p95.toFixed(1)}`, `max ${max.toFixed(1)}`];
  process.stdout.write(`${name}: ${figures.join(', ')} ms (n = ${times.length})\n`);
  return p95;
}

const folder = await mkdtemp(join(tmpdir(), 'repscope-bench-'));
const models = join(folder, 'mlp-seed0.onnx');
await copyFile(model, models);
const server = spawn(process.execPath, [entry, '--stdio'], {
  stdio: ['pipe', 'pipe', 'ignore'],
  env: { ...process.env, REPSCOPE_STORAGE: join(folder, 'storage') },
});
try {
  const client = TestClient.over(server.stdout, server.stdin);
  await client.initialize(folder);
  // Runs of earlier analyses add a chart to the card, as in daily use.
  const analysis = { analysis: 'cka', inputs: [models], device: 'cpu' };
  await client.request('repscope/analyze', analysis);

  const path = join(folder, 'program.py');
  const text = program(5000).map((line) => line.replaceAll('models', folder));
  await client.open(path, text.join('\n'));
  const sites = text.flatMap((line, index) => (line.startsWith('session_') ? [index] : []));

  const state = { ended: false };
  const begun = new Promise<void>((resolve) => {
    client.onProgress('bench', ({ kind }) => {
      if (kind === 'report') resolve();
      if (kind === 'end') state.ended = true;
    });
  });
  const long = { ...analysis, params: { permutations: 1_000_000 }, workDoneToken: 'bench' };
  const running = client.request('repscope/analyze', long).catch(() => undefined);
  await begun;

  const plain: number[] = [];
  const afterEdit: number[] = [];
  const { href: uri } = pathToFileURL(path);
  for (let turn = 0; turn < hovers; turn++) {
    const line = sites[(turn * 37) % sites.length]!;
    const edits = turn % 2 === 1;
    const start = performance.now();
    if (edits) {
      // A letter typed at the end of an earlier line, as before most hovers.
      const at = { line: line - 1, character: text[line - 1]!.length };
      await client.connection.sendNotification('textDocument/didChange', {
        textDocument: { uri, version: turn + 2 },
        contentChanges: [{ range: { start: at, end: at }, text: turn % 4 === 1 ? '1' : ' ' }],
      });
    }
    const hover = await client.hover(path, line, text[line]!.indexOf('(') + 3);
    (edits ? afterEdit : plain).push(performance.now() - start);
    if (hover === null) throw new Error(`no hover on line ${line}: ${text[line]}`);
  }
  if (state.ended) throw new Error('the analysis ended before the hovers did');
  const worst = Math.max(report('hover', plain), report('edit and hover', afterEdit));
  process.stdout.write(`p95 limit ${limitMs} ms: ${worst < limitMs ? 'kept' : 'exceeded'}\n`);
  process.exitCode = worst < limitMs ? 0 : 1;

  const exited = once(server, 'exit');
  await client.request('shutdown');
  await client.connection.sendNotification('exit');
  await Promise.all([exited, running]);
} finally {
  server.kill('SIGKILL');
  await rm(folder, { recursive: true });
}
