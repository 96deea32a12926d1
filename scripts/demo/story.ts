import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { endpoints } from '../../src/api/endpoints.ts';
import type { RunView } from '../../src/api/run-views.ts';
import { must, mustRefuse, type Person } from './person.ts';
import { seconds } from './screen.ts';
import { reach } from './reach.ts';
import type { Stage } from './world.ts';

/** What the story leaves for the attacks and the closing words. */
export type Told = {
  readonly commit: string;
  readonly image: string;
  readonly run: number;
  readonly workload: string;
  readonly endpoint: string;
};

const over = (status: string) => status !== 'waiting' && status !== 'running';

export const source = (stage: Stage): string => path.join(stage.dana.folder, 'shop');

/** The main job: a change is proposed, tested, reviewed, merged, tested again, built, pushed, signed, deployed, and answers. */
export async function story(stage: Stage): Promise<Told> {
  const { screen, admin, dana, rita, sam, signal } = stage;
  screen.heading('From a reviewed commit to a running pod');

  await screen.act('initial-push', 'An administrator pushes the first commit of the shop; it is tested, and not deployed', async () => {
    const folder = path.join(admin.folder, 'shop');
    await cp(path.join(stage.root, 'examples', 'shop'), folder, { recursive: true, filter: (file) => !file.includes('node_modules') });
    await writeFile(path.join(folder, '.gitignore'), 'node_modules/\nruntime/\ndist/\n');
    await must(admin.git(folder, 'init', '-q', '-b', 'main'));
    await must(admin.git(folder, 'add', '-A'));
    await must(admin.git(folder, 'commit', '-q', '-m', 'The shop'));
    const text = await must(admin.git(folder, 'push', `${stage.url}/git/shop.git`, 'HEAD:refs/heads/main'));
    return remote(text);
  });

  let change = 0;
  await screen.act('propose', 'Dana, a developer, proposes a change with plain git', async () => {
    await must(dana.git(dana.folder, 'clone', '-q', `${stage.url}/git/shop.git`, 'shop'));
    await edit(source(stage), 'README.md', () => '# Shop\n\nTaken from a commit to a pod by Waybill.\n');
    await must(dana.git(source(stage), 'add', '-A'));
    await must(dana.git(source(stage), 'commit', '-q', '-m', 'Say what the shop is'));
    const pushed = performance.now();
    const text = await must(dana.git(source(stage), 'push', 'origin', 'HEAD:refs/for/main'));
    change = changeOf(text);
    const first = await firstLogLine(stage, dana, change);
    return `${remote(text)}\nfirst line of its log ${seconds(first - pushed)} after the push began`;
  });

  await screen.act('fast-stages', 'Stage 1 (lint) and stage 2 (a small set of tests) run on the change', async () => {
    const run = await changeRun(dana, change, 1, signal);
    if (run.status !== 'passed') throw new Error(await whyFailed(dana, run));
    return parts(run);
  });

  await screen.act('broken-change', 'A broken change is stopped by stage 1', async () => {
    await must(dana.git(source(stage), 'checkout', '-q', '-b', 'broken', 'origin/main'));
    await edit(source(stage), 'src/prices.js', (text) => `${text}\nexport function unused( { const x = 1; debugger\n`);
    await must(dana.git(source(stage), 'commit', '-qam', 'Break it'));
    const text = await must(dana.git(source(stage), 'push', '-o', 'topic=broken', 'origin', 'HEAD:refs/for/main'));
    const run = await changeRun(dana, changeOf(text), 1, signal);
    if (run.status !== 'failed') throw new Error(`the broken change has ${run.status}`);
    await mustRefuse(rita.waybill('change', 'merge', String(changeOf(text))), /approv|tests?|failed/i);
    await must(dana.git(source(stage), 'checkout', '-q', 'main'));
    return parts(run);
  });

  await screen.act(
    'vulnerable-change',
    'A library with a published vulnerability is stopped by the scan, which says what to take instead',
    async () => {
      await must(dana.git(source(stage), 'checkout', '-q', '-b', 'vulnerable', 'origin/main'));
      await edit(source(stage), 'package-lock.json', (text) => {
        const lock = JSON.parse(text) as { packages: Record<string, object> };
        const packages = { ...lock.packages, 'node_modules/left-behind': { version: '1.2.2' } };
        return `${JSON.stringify({ ...lock, packages }, null, 2)}\n`;
      });
      await must(dana.git(source(stage), 'commit', '-qam', 'Take a library along'));
      const text = await must(dana.git(source(stage), 'push', '-o', 'topic=vulnerable', 'origin', 'HEAD:refs/for/main'));
      const run = await changeRun(dana, changeOf(text), 1, signal);
      const scan = run.scans.find((each) => each.name === 'dependencies');
      if (run.status !== 'failed' || scan?.status !== 'failed') throw new Error(`the vulnerable change has ${run.status}: ${parts(run)}`);
      await must(dana.git(source(stage), 'checkout', '-q', 'main'));
      const [, dependencies] = await dana.api.call(endpoints.showScans, { params: { id: run.id } });
      return (dependencies?.findings ?? []).map(({ severity, title, fix }) => `${severity}: ${title}\n  ${fix}`).join('\n');
    },
  );

  await screen.act('approve', 'Rita, a reviewer, approves exactly this version', async () => {
    const text = await must(rita.waybill('change', 'approve', String(change), '-m', 'Reads well.'));
    return text;
  });

  let run = 0;
  await screen.act('merge', 'Rita merges; Waybill makes the merge itself', async () => {
    const { text, ok } = await rita.waybill('--json', 'change', 'merge', String(change));
    if (!ok) throw new Error(text);
    const merged = JSON.parse(text) as { run: number; change: { merge?: { commit: string; method: string } } };
    run = merged.run;
    return `commit ${merged.change.merge?.commit.slice(0, 12)}, ${merged.change.merge?.method}; run ${run}`;
  });

  let view: RunView | undefined;
  const until = async (done: (view: RunView) => boolean): Promise<RunView> => {
    const found = await waitFor(sam, run, (now) => done(now) || over(now.status), signal);
    if (!done(found)) throw new Error(await whyFailed(sam, found));
    view = found;
    return found;
  };
  await screen.act(
    'core-stage',
    'Stage 3 (the broad tests) runs on the merged commit; stages 1 and 2 are reused for the same tree',
    async () => parts(await until((now) => now.stages.every((each) => each.status === 'passed' || each.status === 'reused'))),
  );
  await screen.act('image', 'The image is built from the merged tree, pushed with a token of minutes, and gets its papers', async () => {
    const now = await until((each) => each.images.every((image) => image.status === 'passed'));
    const papers = now.papers.map((paper) => paper.predicateType);
    return `${now.images[0]?.reference}\n${papers.length} papers: ${[...new Set(papers)].join('\n  ')}`;
  });
  await screen.act(
    'deploy',
    stage.place.kind === 'cluster' ? `It is deployed to the namespace ${stage.place.namespace}` : 'It is deployed to this host',
    async () => {
      const now = await until((each) => each.status === 'passed');
      return now.deploys.map((deploy) => `${deploy.environment}: ${deploy.endpoints?.join(' ')}`).join('\n');
    },
  );

  const commit = view?.commit ?? '';
  const image = view?.images[0]?.reference ?? '';
  const endpoint = view?.deploys[0]?.endpoints?.[0] ?? '';
  await screen.act('answer', 'The running application answers with the commit that was merged', async () => {
    const answer = await reach(stage, endpoint);
    if (!answer.includes(commit)) throw new Error(`it answered ${answer}, not with ${commit}`);
    return answer;
  });

  await screen.act('verify', 'waybill verify: every signature, subject and place in the ledger', async () =>
    must(dana.waybill('verify', image)),
  );
  return { commit, image, run, workload: 'deployment/shop', endpoint };
}

export async function edit(folder: string, file: string, change: (text: string) => string): Promise<void> {
  const full = path.join(folder, file);
  const before = await readFile(full, 'utf8').catch(() => '');
  await writeFile(full, change(before));
}

/** The number of the change, from what the server said to the push. */
export function changeOf(text: string): number {
  const found = /Change (\d+)/.exec(text)?.[1];
  if (found === undefined) throw new Error(`the push names no change:\n${text}`);
  return Number(found);
}

/** What the server said to a push, without git's own lines. */
export function remote(text: string): string {
  return text
    .split('\n')
    .filter((line) => line.startsWith('remote:'))
    .map((line) => line.slice('remote:'.length).trim())
    .filter((line) => line !== '')
    .join('\n');
}

export async function waitFor(person: Person, run: number, done: (view: RunView) => boolean, signal: AbortSignal): Promise<RunView> {
  for (;;) {
    signal.throwIfAborted();
    const view = await person.api.call(endpoints.showRun, { params: { id: run } });
    if (done(view)) return view;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
}

/** The run of a version of a change, when it has ended. */
export async function changeRun(person: Person, change: number, version: number, signal: AbortSignal): Promise<RunView> {
  for (;;) {
    signal.throwIfAborted();
    const view = await person.api.call(endpoints.showChange, { params: { id: change } });
    const run = view.runs.find((each) => each.version === version && each.event === 'change');
    if (run) return waitFor(person, run.id, (now) => over(now.status), signal);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
}

async function firstLogLine(stage: Stage, person: Person, change: number): Promise<number> {
  for (;;) {
    stage.signal.throwIfAborted();
    const view = await person.api.call(endpoints.showChange, { params: { id: change } });
    const run = view.runs[0];
    if (run) {
      for await (const _line of person.api.lines(`/api/v1/runs/${run.id}/log?follow=1&name=stage/lint/lint`, stage.signal))
        return performance.now();
    }
  }
}

export function parts(view: RunView): string {
  const all = [
    ...view.scans.map((scan) => ({ ...scan, name: `scan ${scan.name}` })),
    ...view.stages,
    ...view.images.map((image) => ({ ...image, name: `image ${image.name}` })),
  ].filter((part) => part.status !== 'waiting');
  return all
    .map((part) => {
      const ms = part.startedAt && part.finishedAt ? Date.parse(part.finishedAt) - Date.parse(part.startedAt) : 0;
      return `${part.name}: ${part.status}${ms ? ` in ${seconds(ms)}` : ''}${part.reason ? ` (${part.reason})` : ''}`;
    })
    .join('\n');
}

/** Why a run failed, with the end of the log that says it. */
export async function whyFailed(person: Person, view: RunView): Promise<string> {
  const lines = [
    `run ${view.id} has ${view.status}`,
    parts(view),
    ...view.notes,
    ...view.deploys.map((deploy) => `deploy ${deploy.environment}: ${deploy.status} ${deploy.reason ?? ''}`),
  ];
  for (const name of await person.api.call(endpoints.listLogs, { params: { id: view.id } })) {
    const log: string[] = [];
    for await (const line of person.api.lines(`/api/v1/runs/${view.id}/log?name=${encodeURIComponent(name.join('/'))}`))
      log.push((JSON.parse(line) as { text: string }).text);
    lines.push(`── ${name.join('/')}`, ...log.slice(-12));
  }
  return lines.join('\n');
}
