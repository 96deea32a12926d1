import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { endpoints } from '../src/api/endpoints.ts';
import { provenancePredicate, provenanceType } from '../src/evidence/statements/provenance.ts';
import { hexOf, parseDigest } from '../src/kernel/digest.ts';
import { startTestRegistry } from '../src/registry/registry.fixture.ts';
import { must, mustRefuse } from '../scripts/demo/person.ts';
import { cli, loginOf } from './kit/cli.ts';
import { upstreamImage } from './kit/company-registry.ts';
import { predicatesOf } from './kit/papers.ts';
import { deliver, mergeChange, newRepository, passed, propose } from './kit/repository.ts';
import { openWaybill } from './kit/waybill.ts';

const head = `version: 1
defaults: { network: none, timeout: 2m }
stages:
  - { name: lint, on: [change], steps: [{ run: test -f README.md }] }
images:
`;
const upon = (...bases: string[]) =>
  `${head}${bases.map((base, n) => `  - { name: app${n}, base: "${base}", layers: [{ from: README.md, to: /a }] }\n`).join('')}`;

test(
  'an administrator says which bases images are built upon: at lint, at the push, at the merge, and in what is recorded',
  { timeout: 180_000 },
  async (t) => {
    await using upstream = await startTestRegistry({ open: true, mutableTags: true });
    await using w = await openWaybill();
    const { dana, rita, host } = w;
    const configFile = path.join(w.data, 'waybill.json');
    const config = JSON.parse(await readFile(configFile, 'utf8')) as { registry?: object };
    const restart = async (bases: object | undefined) => {
      const registry = { ...config.registry, upstreams: [upstream.host] };
      await writeFile(configFile, JSON.stringify({ ...config, registry, ...(bases === undefined ? {} : { bases }) }));
      await w.stop('SIGTERM');
      await w.start();
    };
    await restart(undefined);
    await newRepository(w, 'bases', { 'README.md': 'one\n', 'waybill.yaml': upon('scratch') });
    const first = await passed(dana, await deliver(w, 'bases', { 'README.md': 'two\n' }, 'two'));
    const own = first.images[0]?.reference ?? '';
    const bring = async (repository: string, as: string): Promise<string> => {
      const digest = await upstreamImage(upstream.host, repository, '1');
      const asked = await must(dana.waybill('image', 'import', `${upstream.host}/${repository}:1`, '--reason', 'a base', '--as', as));
      await must(rita.waybill('image', 'approve', /Import (\d+)/.exec(asked)?.[1] ?? ''));
      return `${host}/import/${as}@${digest}`;
    };
    const node = await bring('library/node', 'node');
    // Named as if it were the other one.
    const disguised = await bring('evil/node', 'library/node');

    await restart({
      allow: [
        { repository: 'bases/*', from: 'build', maxAgeDays: 1 },
        { upstream: `${upstream.host}/library/*`, pinned: true },
      ],
    });

    await newRepository(w, 'shop', { 'README.md': 'one\n', 'waybill.yaml': upon('scratch') });
    await t.test('what is allowed is built, its digests recorded before, and named in the provenance', async () => {
      const run = await passed(dana, await deliver(w, 'shop', { 'README.md': 'two\n', 'waybill.yaml': upon(own, node) }, 'allowed'));
      const { bases } = await dana.api.call(endpoints.showRun, { params: { id: run.id } });
      assert.deepEqual(
        bases,
        [own, node].map((reference) => ({ reference, digest: reference.split('@')[1] })),
      );
      for (const [n, base] of [own, node].entries()) {
        const papers = await predicatesOf(dana, run.images[n]?.digest ?? '');
        const provenance = provenancePredicate.parse(papers.find((each) => each.predicateType === provenanceType)?.predicate);
        const named = provenance.buildDefinition.resolvedDependencies.map((each) => each.digest?.['sha256']);
        assert.ok(named.includes(hexOf(parseDigest(base.split('@')[1] ?? ''))));
      }
    });

    await t.test('what is not is told by lint, and at the push, and is not merged', async () => {
      const tag = `${own.split('@')[0]}:r${first.id}`;
      const pinnedOnly = `${host}/import/node:i1`;
      const files = { 'waybill.yaml': upon(tag, disguised, pinnedOnly), Dockerfile: `FROM ${own}\n` };
      const { id, said } = await propose(w, 'shop', { ...files, 'README.md': 'three\n' }, 'forbidden');
      assert.match(said, /waybill\.yaml:7:25: error: the base .*import\/library\/node is not allowed: none of the 2 kinds/);
      assert.match(said, /waybill\.yaml:8:25: error: the base .*import\/node:i1 is not allowed: it is named by a tag/);
      assert.doesNotMatch(said, /waybill\.yaml:6:/);
      await assert.rejects(mergeChange(w, id), /is not allowed/);
      const cwd = path.join(dana.folder, 'shop');
      const env = loginOf(dana, w.url);
      const linted = await cli(['lint', '--bases'], { cwd, env });
      assert.equal(linted.status, 1);
      assert.match(linted.out, /waybill\.yaml:7:25: error: the base/);
      assert.equal((await cli(['lint'], { cwd, env })).status, 0);
      await writeFile(path.join(cwd, 'waybill.yaml'), `${head}  - { name: app, dockerfile: Dockerfile }\n`);
      assert.match((await cli(['lint', '--bases'], { cwd, env })).out, /1 base\(s\), upon which images may be built now/);
      await writeFile(path.join(cwd, 'Dockerfile'), `# by hand\nFROM ${disguised}\n`);
      const dockerfile = await cli(['--json', 'lint', '--bases'], { cwd, env });
      const { problems } = JSON.parse(dockerfile.out) as { problems: { file: string; line: number; column: number }[] };
      assert.deepEqual(
        problems.map(({ file, line, column }) => [file, line, column]),
        [['Dockerfile', 2, 6]],
      );
    });

    await t.test('a rule that is no rule keeps the server from starting', async () => {
      await writeFile(configFile, JSON.stringify({ ...config, bases: { allow: [{ repositories: 'bases/*' }] } }));
      await w.stop('SIGTERM');
      await assert.rejects(w.start());
      await restart({ allow: [] });
      await mustRefuse(dana.waybill('lint', '--bases', path.join(dana.folder, 'bases', 'nowhere.yaml')), /no such file/);
    });
  },
);
