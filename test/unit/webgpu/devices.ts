// Vulkan devices that WebGPU can be tested on: one that the machine has, else Mesa's software device
// (lavapipe) from Debian's packages, unpacked into the user's cache folder and not installed, else
// SwiftShader, which comes with Chromium. Nothing here is needed to use the product.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { userCache } from '../../vscode/cache.ts';

const run = promisify(execFile);

/** A way to run a process on a Vulkan device, or why there is none. */
export interface Candidate {
  name: string;
  /** Variables that name loader and driver; undefined where it cannot be had. */
  env?: Record<string, string>;
  reason?: string;
}

/** In the order in which they are to be tried; each is looked for only when it is asked for. */
export const candidates: readonly (() => Promise<Candidate>)[] = [
  () => Promise.resolve({ name: "the machine's own", env: {} }),
  lavapipe,
  swiftShader,
];

const driver = (folder: string, description: string) => ({
  LD_LIBRARY_PATH: folder,
  // The second is what loaders before 1.3.234 read.
  VK_DRIVER_FILES: description,
  VK_ICD_FILENAMES: description,
});

const message = (error: unknown) => {
  const { stderr } = error as { stderr?: string };
  const text = stderr === undefined || stderr === '' ? String(error) : stderr;
  return text.trim().split('\n').at(-1)!;
};

async function lavapipe(): Promise<Candidate> {
  const name = 'lavapipe';
  try {
    const system = process.platform === 'linux' ? await readFile('/etc/os-release', 'utf8') : '';
    const codename = /^ID=debian$/m.test(system)
      ? /^VERSION_CODENAME=(\w+)$/m.exec(system)?.[1]
      : undefined;
    if (codename === undefined) return { name, reason: 'only Debian has its packages' };
    const folder = join(userCache(), 'vulkan', `mesa-${codename}-${process.arch}`);
    if (!existsSync(folder)) await unpackMesa(codename, folder);
    return { name, env: await mesaEnvironment(folder) };
  } catch (error) {
    return { name, reason: message(error) };
  }
}

async function mesaEnvironment(folder: string): Promise<Record<string, string>> {
  const libraries = join(folder, 'usr', 'lib');
  const triplet = (await readdir(libraries)).find((entry) => entry.endsWith('-linux-gnu'));
  if (triplet === undefined) throw new Error(`${folder} holds no libraries`);
  return driver(join(libraries, triplet), join(folder, 'lavapipe.json'));
}

/** Mesa, the Vulkan loader and what of theirs the machine lacks, unpacked into `folder`. */
async function unpackMesa(codename: string, folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const work = await mkdtemp(join(dirname(folder), 'unpacking-'));
  try {
    const archives = join(work, 'archives');
    const sources = join(work, 'sources');
    const lists = join(work, 'lists');
    for (const part of [join(archives, 'partial'), join(lists, 'partial'), sources]) {
      await mkdir(part, { recursive: true });
    }
    // Mesa 22 of bookworm gives wrong products.
    const suites = codename === 'bookworm' ? [codename, `${codename}-backports`] : [codename];
    const mirror = await debianMirror();
    const key = '/usr/share/keyrings/debian-archive-keyring.gpg';
    const lines = suites.map((suite) => `deb [signed-by=${key}] ${mirror} ${suite} main\n`);
    await writeFile(join(sources, 'debian.list'), lines.join(''));
    // The machine's own settings for proxies stay; its package lists and locks are left alone.
    const settings = [
      ...['Dir::Etc::SourceList=/dev/null', `Dir::Etc::SourceParts=${sources}`],
      ...[`Dir::State::Lists=${lists}`, `Dir::Cache=${work}`, `Dir::Cache::archives=${archives}`],
      ...['Debug::NoLocking=1', 'APT::Sandbox::User=', 'Acquire::Languages=none'],
      ...['Acquire::Retries=1', 'Acquire::http::Timeout=10', 'Acquire::https::Timeout=10'],
    ].flatMap((setting) => ['-o', setting]);
    const apt = (...args: string[]) =>
      run('apt-get', [...settings, '-qq', ...args], { timeout: 45_000 });
    await apt('update', '-o', 'APT::Update::Error-Mode=any');
    await apt(
      ...['install', '--download-only', '-y', '--no-install-recommends', '--reinstall'],
      ...['-t', suites.at(-1)!, 'mesa-vulkan-drivers', 'libvulkan1'],
    );
    const unpacked = join(work, 'unpacked');
    for (const archive of await readdir(archives)) {
      if (archive.endsWith('.deb')) await run('dpkg', ['-x', join(archives, archive), unpacked]);
    }
    const libraries = (await mesaEnvironment(unpacked))['LD_LIBRARY_PATH']!;
    const library = join(libraries.replace(unpacked, folder), 'libvulkan_lvp.so');
    await writeFile(
      join(unpacked, 'lavapipe.json'),
      JSON.stringify({
        file_format_version: '1.0.0',
        ICD: { library_path: library, api_version: '1.3.0' },
      }),
    );
    // Another process may have been faster.
    await rename(unpacked, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The archive that the machine installs from. @throws Error where it names none */
async function debianMirror(): Promise<string> {
  const files = ['/etc/apt/sources.list', '/etc/apt/sources.list.d/debian.sources'];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const uri = /^(?!#).*?(https?:\/\/\S+\/debian)\/?(?=\s|$)/m.exec(text)?.[1];
    if (uri !== undefined) return uri;
  }
  throw new Error(`${files.join(' and ')} name no archive of Debian`);
}

function swiftShader(): Promise<Candidate> {
  const name = 'SwiftShader';
  const folder = ['/usr/lib/chromium', '/usr/lib/chromium-browser', '/opt/google/chrome'].find(
    (path) => existsSync(join(path, 'vk_swiftshader_icd.json')),
  );
  return Promise.resolve(
    folder === undefined
      ? { name, reason: 'no Chromium that has it is installed' }
      : { name, env: driver(folder, join(folder, 'vk_swiftshader_icd.json')) },
  );
}
