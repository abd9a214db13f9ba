// How long `inspect` takes, and how much memory, for files that are far larger than what it reads:
// a 10 GB safetensors file, a 4 GB ONNX model with external data in two files, and an ONNX model
// whose own protobuf nears 2 GB. The files are sparse: their sizes are real, their zeros are not
// stored. Ends with status 1 where a limit is passed.
// Run: node test/bench/large-files.ts
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeProto, tensorProto, valueInfoProto } from '../../src-core/onnx/graph-builder.ts';

const limits = { ms: 500, mebibytes: 100 };
const repeats = 5;
const cli = fileURLToPath(new URL('../../dist/cli.mjs', import.meta.url));
/** Makes a process tell its largest resident set in KiB when it ends. */
const tellPeak =
  'data:text/javascript,process.on("exit",()=>process.stderr.write(String(process.resourceUsage().maxRSS)))';

/** One whole `repscope inspect` command, from the start of its process to its end. */
function inspect(path: string): { ms: number; mebibytes: number; lines: number } {
  const begun = performance.now();
  const args = ['--import', tellPeak, cli, 'inspect', path];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  const ms = performance.now() - begun;
  if (status !== 0) throw new Error(stderr);
  return { ms, mebibytes: Number(stderr) / 1024, lines: stdout.split('\n').length };
}

/** A sparse file: `parts` are written where they belong, the rest are holes. */
async function sparse(
  path: string,
  size: number,
  parts: readonly { at: number; bytes: Uint8Array }[] = [],
): Promise<void> {
  const handle = await open(path, 'w');
  await handle.truncate(size);
  for (const { at, bytes } of parts) await handle.write(bytes, 0, bytes.length, at);
  await handle.close();
}

/** 70 blocks of a 4,096-wide decoder: 10 GB of float16 in 632 tensors. */
async function safetensors(path: string): Promise<void> {
  const header: Record<string, unknown> = {};
  let end = 0;
  const add = (name: string, ...shape: number[]) => {
    const start = end;
    end += 2 * shape.reduce((product, size) => product * size, 1);
    header[name] = { dtype: 'F16', shape, data_offsets: [start, end] };
  };
  add('model.embed_tokens.weight', 32_000, 4096);
  for (let block = 0; block < 70; block++) {
    for (const name of ['q', 'k', 'v', 'o']) {
      add(`model.layers.${block}.self_attn.${name}_proj.weight`, 4096, 4096);
    }
    add(`model.layers.${block}.mlp.norm.weight`, 4096);
    add(`model.layers.${block}.input_layernorm.weight`, 4096);
  }
  add('lm_head.weight', 32_000, 4096);
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await sparse(path, 8 + text.length + end, [{ at: 0, bytes: Buffer.concat([length, text]) }]);
}

const field = (number: number, bytes: Uint8Array) =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();

const width = 4096;
const matrixBytes = 4 * width * width;

/** A chain of `count` products; `weights` gives the bytes of each initializer's field. */
function chain(
  count: number,
  weights: (name: string, index: number) => Uint8Array[],
): Uint8Array[] {
  const nodes = Array.from({ length: count }, (_, n) =>
    field(
      1,
      nodeProto(
        'MatMul',
        [{ name: n === 0 ? 'x' : `h${n - 1}` }, { name: `w${n}` }],
        [{ name: `h${n}` }],
      ),
    ),
  );
  const io = [
    field(11, valueInfoProto('x', 'float32', ['batch', width])),
    field(12, valueInfoProto(`h${count - 1}`, 'float32', ['batch', width])),
  ];
  return [...nodes, ...Array.from({ length: count }, (_, n) => weights(`w${n}`, n)).flat(), ...io];
}

const opset = field(8, new BinaryWriter().tag(2, WireType.Varint).int64(17).finish());
const head = Buffer.concat([new BinaryWriter().tag(1, WireType.Varint).int64(8).finish(), opset]);

/** 4 GB of weights in two files beside the model. */
async function externalOnnx(path: string): Promise<void> {
  const count = 60;
  const graph = Buffer.concat(
    chain(count, (name, index) => {
      const location = index % 2 === 0 ? 'even.bin' : 'odd.bin';
      const offset = Math.floor(index / 2) * matrixBytes;
      const place = { location, offset, length: matrixBytes };
      return [field(5, tensorProto(name, 'float32', [width, width], place))];
    }),
  );
  await writeFile(path, Buffer.concat([head, field(7, graph)]));
  for (const name of ['even.bin', 'odd.bin']) {
    await sparse(join(path, '..', name), (count / 2) * matrixBytes);
  }
}

/** Weights inside the protobuf, which may hold 2 GiB at most: their bytes are holes in the file. */
async function fullOnnx(path: string): Promise<void> {
  const marker = new Uint8Array(0);
  const pieces = chain(31, (name) => {
    const described = new BinaryWriter()
      .tag(1, WireType.Varint)
      .int64(width)
      .tag(1, WireType.Varint)
      .int64(width)
      .tag(2, WireType.Varint)
      .int32(1)
      .tag(8, WireType.LengthDelimited)
      .string(name)
      .tag(9, WireType.LengthDelimited)
      .uint32(matrixBytes)
      .finish();
    const tag = new BinaryWriter()
      .tag(5, WireType.LengthDelimited)
      .uint32(described.length + matrixBytes)
      .finish();
    return [Buffer.concat([tag, described]), marker];
  });
  const sizeOf = (piece: Uint8Array) => (piece === marker ? matrixBytes : piece.length);
  const graphSize = pieces.reduce((sum, piece) => sum + sizeOf(piece), 0);
  const start = new BinaryWriter().tag(7, WireType.LengthDelimited).uint32(graphSize).finish();
  const parts: { at: number; bytes: Uint8Array }[] = [];
  let at = 0;
  for (const piece of [head, start, ...pieces]) {
    if (piece !== marker) parts.push({ at, bytes: piece });
    at += sizeOf(piece);
  }
  await sparse(path, at, parts);
}

const folder = await mkdtemp(join(tmpdir(), 'repscope-bench-'));
try {
  if (!existsSync(cli)) execFileSync('npm', ['run', 'build'], { stdio: 'inherit', shell: true });
  const files: [what: string, path: string, make: (path: string) => Promise<void>][] = [
    ['safetensors, 10 GB', join(folder, 'large.safetensors'), safetensors],
    ['ONNX, 4 GB external', join(folder, 'external.onnx'), externalOnnx],
    ['ONNX, 2 GB protobuf', join(folder, 'full.onnx'), fullOnnx],
  ];
  for (const [what, path, make] of files) {
    await make(path);
    const runs = Array.from({ length: repeats }, () => inspect(path)).sort((a, b) => a.ms - b.ms);
    const { ms, lines } = runs[Math.floor(repeats / 2)]!;
    const peak = Math.max(...runs.map(({ mebibytes }) => mebibytes));
    process.stdout.write(
      `${what}: ${ms.toFixed(0)} ms (median of ${repeats}), peak resident ${peak.toFixed(0)} MiB, ` +
        `${lines} lines printed, load ${loadavg()[0]!.toFixed(1)}\n`,
    );
    if (ms > limits.ms || peak > limits.mebibytes) process.exitCode = 1;
  }
} finally {
  await rm(folder, { recursive: true });
}
