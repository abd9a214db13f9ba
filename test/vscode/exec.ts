import { spawn } from 'node:child_process';

export interface Execution {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

/** Run a program to its end and answer its standard output; throws with the tail of its output. */
export async function exec(
  command: string,
  args: string[],
  { cwd, env = process.env }: Execution = {},
): Promise<string> {
  // npm is a batch file on Windows and starts only through a shell there.
  const shell = process.platform === 'win32' && command === 'npm';
  const child = spawn(command, args, { cwd, env, shell, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let problems = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (problems += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) {
    const tail = `${output}\n${problems}`.trim().split('\n').slice(-15).join('\n');
    throw new Error(`${command} ${args.join(' ')}: exit code ${code}\n${tail}`);
  }
  return output;
}
