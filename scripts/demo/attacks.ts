import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { changeOf, changeRun, edit, source, whyFailed, type Told } from './story.ts';
import { must, mustRefuse, type Outcome, type Person } from './person.ts';
import { kubectl } from './kubectl.ts';
import { plantImage } from './plant-image.ts';
import { snoop } from './snoop.ts';
import type { Stage } from './world.ts';

/** Every attempt to get round the way, each refused with its reason on the screen. */
export async function attacks(stage: Stage, told: Told): Promise<void> {
  const { screen, dana, rita, sam, admin, signal } = stage;
  const shop = source(stage);
  screen.heading('Attempts to get round it');
  const attempt = (name: string, title: string, play: () => Promise<string>) => screen.act(name, title, play, { fatal: false });
  /** A new branch from what is merged now, with one commit on it. */
  const branch = async (name: string, file: string, change: (text: string) => string) => {
    await must(dana.git(shop, 'fetch', '-q', 'origin'));
    await must(dana.git(shop, 'checkout', '-q', '-B', name, 'origin/main'));
    await edit(shop, file, change);
    await must(dana.git(shop, 'add', '-A'));
    await must(dana.git(shop, 'commit', '-q', '-m', name));
  };

  await attempt('direct-push', 'Dana pushes straight to main; so does the administrator', async () => {
    await branch('quick-fix', 'README.md', (text) => `${text}\nA quick fix.\n`);
    const first = await mustRefuse(dana.git(shop, 'push', 'origin', 'HEAD:refs/heads/main'), /reviewed changes only/i);
    await mustRefuse(admin.git(shop, 'push', `${stage.url}/git/shop.git`, 'HEAD:refs/heads/main'), /reviewed changes only/i);
    return said(first);
  });

  await attempt('self-approval', 'Sam, a reviewer, approves a change of his own', async () => {
    await must(sam.git(sam.folder, 'clone', '-q', `${stage.url}/git/shop.git`, 'shop'));
    const mine = path.join(sam.folder, 'shop');
    await edit(mine, 'README.md', (text) => `${text}\nSam was here.\n`);
    await must(sam.git(mine, 'commit', '-qam', 'Trust me'));
    const change = changeOf(await must(sam.git(mine, 'push', 'origin', 'HEAD:refs/for/main')));
    return said(await mustRefuse(sam.waybill('change', 'approve', String(change)), /sam pushed/));
  });

  await attempt('stale-approval', 'An approval is carried over to a newer push', async () => {
    await branch('bait', 'src/catalogue.js', (text) => `${text}\n// harmless\n`);
    const change = changeOf(await must(dana.git(shop, 'push', '-o', 'topic=bait', 'origin', 'HEAD:refs/for/main')));
    await must(rita.waybill('change', 'approve', String(change)));
    await edit(shop, 'src/catalogue.js', (text) => text.replace('// harmless', '// not so harmless'));
    await must(dana.git(shop, 'commit', '-qa', '--amend', '--no-edit'));
    await must(dana.git(shop, 'push', '-o', `change=${change}`, 'origin', 'HEAD:refs/for/main'));
    return said(await mustRefuse(rita.waybill('change', 'merge', String(change)), /0 of 1 approvals/));
  });

  await attempt('registry-push', 'Dana, and the administrator, push to the registry with their own tokens', async () => {
    const first = await pushBlob(stage, dana);
    await pushBlob(stage, admin);
    return first;
  });

  await attempt('snooping-step', 'A step of a change looks for keys, tokens, other workspaces and the server', async () => {
    await branch('curious', 'waybill.yaml', (text) =>
      text.replace('- run: npm run lint', '- run: sh ./look-around.sh').replace('- run: npm ci\n', ''),
    );
    await writeFile(path.join(shop, 'look-around.sh'), snoop({ data: stage.data, host: stage.host, tokens: [dana.token, admin.token] }));
    await must(dana.git(shop, 'add', '-A'));
    await must(dana.git(shop, 'commit', '-q', '--amend', '--no-edit'));
    const change = changeOf(await must(dana.git(shop, 'push', '-o', 'topic=curious', 'origin', 'HEAD:refs/for/main')));
    const run = await changeRun(dana, change, 1, signal);
    const log: string[] = [];
    for await (const line of dana.api.lines(`/api/v1/runs/${run.id}/log?name=stage/lint/lint`))
      log.push((JSON.parse(line) as { text: string }).text);
    const found = log.filter((line) => line.startsWith('FOUND'));
    const looked = log.filter((line) => line.startsWith('nothing')).length;
    if (found.length > 0 || looked < 8) throw new Error(`${await whyFailed(dana, run)}\n${log.join('\n')}`);
    return log.filter((line) => line.startsWith('nothing')).join('\n');
  });

  await attempt('foreign-image', 'A pod with an image from another registry', async () =>
    said(await mustRefuse(pod(stage, 'foreign', 'docker.io/library/nginx:1.27'), /not allowed|registry/i)),
  );
  await attempt('moved-tag', 'A pod that names its image by a tag, which can be moved', async () =>
    said(await mustRefuse(pod(stage, 'moved', `${told.image.replace(/@.*/, '')}:r${told.run}`), /digest/i)),
  );
  await attempt('no-papers', 'Somebody with access to the registry’s disk plants an image; a pod names it by digest', async () => {
    const planted = await plantImage(stage);
    return said(await mustRefuse(pod(stage, 'planted', planted), /no papers/i));
  });
}

/** The lines of a refusal that a person reads. */
function said(text: string): string {
  return text
    .split('\n')
    .filter((line) => !/^(remote: *$|To |hint:|Enumerating|Counting|Compressing|Writing|Delta|Total|remote: Processing)/.test(line))
    .join('\n')
    .trim();
}

async function pushBlob(stage: Stage, person: Person): Promise<string> {
  const response = await fetch(`${stage.url}/v2/shop/shop/blobs/uploads/`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${person.id}:${person.token.reveal()}`).toString('base64')}` },
    signal: stage.signal,
  });
  const text = await response.text();
  if (response.status !== 403) throw new Error(`${person.id} got ${response.status}: ${text}`);
  return `403 ${text.trim()}`;
}

/** Tries to get a pod in: through the API server where the gate is registered, else by the gate's verdict on the file. */
async function pod(stage: Stage, name: string, image: string): Promise<Outcome> {
  const file = path.join(stage.scratch, `${name}.json`);
  const manifest = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { containers: [{ name: 'main', image }] } };
  await writeFile(file, JSON.stringify(manifest));
  if (stage.place.kind === 'cluster' && stage.place.gate) {
    return kubectl(stage.place, ['--namespace', stage.place.namespace, 'apply', '-f', file], stage.signal);
  }
  return stage.dana.waybill('admit', '-f', file);
}
