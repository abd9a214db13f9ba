// Compiles the WebAssembly kernels of src-core/engine/linear-algebra: node scripts/compile-kernels.mjs
// [--out FILE]
//
// The result is kept in the repository, so that nothing but a change to them needs the compiler. A
// test compares it with its source.
import asc from 'assemblyscript/asc';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const folder = fileURLToPath(new URL('../src-core/engine/linear-algebra/wasm/', import.meta.url));

const { values: flags } = parseArgs({
  options: { out: { type: 'string', default: `${folder}kernels.wasm` } },
});
const { error, stderr } = await asc.main(
  [
    ...['kernels.as.ts', '--baseDir', folder, '--outFile', 'kernels.wasm'],
    ...['-O3', '--runtime', 'stub', '--noAssert', '--importMemory', '--initialMemory', '1'],
    ...['--enable', 'relaxed-simd'],
    // Of vectors exchanged between modules: they stay inside this one.
    ...['--disableWarning', '112'],
  ],
  { writeFile: (_, contents) => writeFileSync(flags.out, contents) },
);
if (error) {
  console.error(`${stderr.toString()}${error.message}`);
  process.exit(1);
}
