import { exec } from '../vscode/exec.ts';

interface Process {
  pid: number;
  parent: number;
  command: string;
}

/** Processes whose command line holds `text` and that descend from `ancestor`. */
export async function descendants(ancestor: number, text: string): Promise<number[]> {
  const all = await processes();
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
  const descends = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === ancestor || descends(parents.get(pid)));
  return all
    .filter(({ pid, command }) => command.includes(text) && descends(pid))
    .map(({ pid }) => pid);
}

async function processes(): Promise<Process[]> {
  const table = await exec('ps', ['-A', '-o', 'pid=,ppid=,args=']);
  return table.split('\n').flatMap((line) => {
    const found = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line);
    return found ? [{ pid: Number(found[1]), parent: Number(found[2]), command: found[3]! }] : [];
  });
}
