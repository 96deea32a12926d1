import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { endpoints } from '../../src/api/endpoints.ts';
import type { RunView } from '../../src/api/run-views.ts';
import { must, type Person } from '../../scripts/demo/person.ts';
import { changeOf, changeRun, waitFor, whyFailed } from '../../scripts/demo/story.ts';
import type { Waybill } from './waybill.ts';

/** Path → text, or bytes with the executable bit. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

export async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content, { mode: typeof content === 'string' ? 0o644 : 0o755 });
  }
}

/** A repository with a first commit, pushed by the administrator; dana has it cloned. Returns what the first push said. */
export async function newRepository(waybill: Waybill, name: string, files: Files): Promise<string> {
  const { admin, dana, url } = waybill;
  await must(admin.waybill('repo', 'add', name));
  const folder = path.join(admin.folder, name);
  await writeFiles(folder, files);
  await must(admin.git(folder, 'init', '-q', '-b', 'main'));
  await must(admin.git(folder, 'add', '-A'));
  await must(admin.git(folder, 'commit', '-q', '-m', `The first commit of ${name}`));
  const said = await must(admin.git(folder, 'push', `${url}/git/${name}.git`, 'HEAD:refs/heads/main'));
  await must(dana.git(dana.folder, 'clone', '-q', `${url}/git/${name}.git`, name));
  return said;
}

export type Proposed = { readonly id: number; readonly said: string };

/** Dana proposes a change from what is merged now; `topic` tells her changes apart. */
export async function propose(waybill: Waybill, name: string, files: Files, topic: string): Promise<Proposed> {
  const { dana } = waybill;
  const folder = path.join(dana.folder, name);
  await must(dana.git(folder, 'fetch', '-q', 'origin'));
  await must(dana.git(folder, 'checkout', '-q', '-B', topic, 'origin/main'));
  return pushVersion(waybill, name, files, ['-o', `topic=${topic}`], topic);
}

/** A commit on the branch that dana is on, pushed as a version. */
export async function pushVersion(
  waybill: Waybill,
  name: string,
  files: Files,
  options: readonly string[],
  title = 'More',
): Promise<Proposed> {
  const { dana } = waybill;
  const folder = path.join(dana.folder, name);
  await writeFiles(folder, files);
  await must(dana.git(folder, 'add', '-A'));
  await must(dana.git(folder, 'commit', '-q', '-m', title));
  const said = await must(dana.git(folder, 'push', ...options, 'origin', 'HEAD:refs/for/main'));
  return { id: changeOf(said), said };
}

/** Rita approves and merges when the change's run has passed. Returns the run of the merged commit. */
export async function mergeChange(waybill: Waybill, change: number): Promise<number> {
  const { api } = waybill.rita;
  const { versions } = await api.call(endpoints.showChange, { params: { id: change } });
  const tested = await changeRun(waybill.rita, change, versions.length, waybill.signal);
  if (tested.status !== 'passed') throw new Error(await whyFailed(waybill.rita, tested));
  await api.call(endpoints.approveChange, { params: { id: change } });
  return (await api.call(endpoints.mergeChange, { params: { id: change } })).run;
}

/** Proposes, approves, merges; the merged commit's run, when it has ended. */
export async function deliver(waybill: Waybill, name: string, files: Files, topic: string): Promise<RunView> {
  const { id } = await propose(waybill, name, files, topic);
  return ended(waybill.dana, await mergeChange(waybill, id), waybill.signal);
}

export const isOver = (run: { readonly status: string }): boolean => run.status !== 'waiting' && run.status !== 'running';

export function ended(person: Person, run: number, signal: AbortSignal): Promise<RunView> {
  return waitFor(person, run, isOver, signal);
}

/** A run that must pass, with the end of its logs when it does not. */
export async function passed(person: Person, run: RunView): Promise<RunView> {
  if (run.status !== 'passed') throw new Error(await whyFailed(person, run));
  return run;
}

export async function logLines(person: Person, run: number, name: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of person.api.lines(`/api/v1/runs/${run}/log?name=${encodeURIComponent(name)}`))
    lines.push((JSON.parse(line) as { text: string }).text);
  return lines;
}

export async function until(what: string, holds: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  while (!(await holds())) {
    if (signal.aborted) throw new Error(`it did not come to this: ${what}`, { cause: signal.reason });
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}
