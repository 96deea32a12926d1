import { readdir, readFile } from 'node:fs/promises';

export type Seen = { readonly pid: number; readonly ppid: number; readonly command: string };

/** Every process of this machine that this process may read, zombies left out. */
export async function processes(): Promise<Seen[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(
    pids.map(async (pid) => {
      try {
        const [command, stat] = await Promise.all([readFile(`/proc/${pid}/cmdline`, 'utf8'), readFile(`/proc/${pid}/stat`, 'utf8')]);
        // The name in parentheses may hold anything; what counts stands behind the last one.
        const [state = '', ppid = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return state === 'Z' ? undefined : { pid: Number(pid), ppid: Number(ppid), command: command.replaceAll('\0', ' ') };
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return undefined;
        throw error;
      }
    }),
  );
  return all.filter((seen) => seen !== undefined);
}

/** Processes whose command line holds a text that nothing else on the machine has. */
export async function withMark(mark: string): Promise<Seen[]> {
  return (await processes()).filter(({ command }) => command.includes(mark));
}
