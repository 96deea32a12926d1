import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { endpoints } from '../src/api/endpoints.ts';
import type { ScanView } from '../src/api/scan-views.ts';
import { sbomType } from '../src/evidence/statements/sbom.ts';
import { secretScanType } from '../src/evidence/statements/secret-scan.ts';
import { vulnerabilitiesType } from '../src/evidence/statements/vulnerabilities.ts';
import { writeAdvisories } from '../scripts/demo/advisories.ts';
import { must } from '../scripts/demo/person.ts';
import { changeOf, changeRun } from '../scripts/demo/story.ts';
import { findCosign } from './kit/cosign.ts';
import { predicatesOf } from './kit/papers.ts';
import { deliver, ended, mergeChange, newRepository, passed, propose, pushVersion } from './kit/repository.ts';
import { openWaybill, type Waybill } from './kit/waybill.ts';

const limit = { timeout: 300_000 };
const pipeline = `version: 1
defaults: { network: none, timeout: 2m }
stages:
  - { name: lint, on: [change], steps: [{ run: test -f README.md }] }
images:
  - name: web
    layers: [{ from: app, to: /app }, { from: node_modules, to: /app/node_modules, after: ["mkdir -p node_modules/kept; cp app/package.json node_modules/kept/"] }]
    config: { cmd: [/app/run], user: "65532" }
`;
const lock = (name: string, version: string) =>
  JSON.stringify(
    {
      lockfileVersion: 3,
      packages: {
        '': { dependencies: { outer: '1' } },
        'node_modules/outer': { version: '1.0.0', dependencies: { [name]: '1' } },
        [`node_modules/${name}`]: { version },
      },
    },
    null,
    2,
  );
const app = { 'README.md': 'one\n', 'app/package.json': '{"name":"kept","version":"3.2.1"}', 'waybill.yaml': pipeline };
const credential = ['ghp', '_', 'zQ4vT8nB2kLm7Xc9RdYw5HsJ1pGf3A'].join('');

async function scans(waybill: Waybill, run: number): Promise<readonly ScanView[]> {
  return waybill.dana.api.call(endpoints.showScans, { params: { id: run } });
}

test('scanning, from the push to the gate', limit, async (t) => {
  await using waybill = await openWaybill();
  const { dana, signal, data, scratch } = waybill;

  await t.test('a change that brings a vulnerable library fails before its stages matter, and says what to take instead', async () => {
    await newRepository(waybill, 'shop', { ...app, 'package-lock.json': lock('harmless', '1.0.0') });
    const { id } = await propose(waybill, 'shop', { 'package-lock.json': lock('left-behind', '1.2.2') }, 'vulnerable');
    const run = await changeRun(dana, id, 1, signal);
    assert.equal(run.status, 'failed');
    const [secrets, dependencies] = await scans(waybill, run.id);
    assert.equal(secrets?.passed, true);
    assert.ok((secrets?.covered.rules ?? 0) >= 150 && (secrets?.covered.files ?? 0) > 0);
    assert.equal(dependencies?.passed, false);
    assert.deepEqual(
      dependencies?.covered.databases.map(({ ecosystem, advisories }) => [ecosystem, advisories]),
      [['npm', 1]],
    );
    const [finding] = dependencies?.findings ?? [];
    assert.equal(finding?.id, 'CVE-2026-90001');
    assert.deepEqual([finding?.severity, finding?.isNew, finding?.fixed?.[0]], ['critical', true, '1.2.3']);
    assert.deepEqual(finding?.paths, [['./', 'pkg:npm/outer@1.0.0', 'pkg:npm/left-behind@1.2.2']]);
    const report = await must(dana.waybill('change', 'report', String(id)));
    assert.match(report, /CVE-2026-90001/);
    assert.match(report, /package-lock\.json/);
    const { rita } = waybill;
    await must(rita.waybill('change', 'approve', String(id)));
    await assert.rejects(rita.api.call(endpoints.mergeChange, { params: { id } }), /failed/);
  });

  await t.test('a change cannot relax its own scan', async () => {
    const relaxed = `${pipeline}scan: { dependencies: { fail: report } }\n`;
    const { id } = await propose(
      waybill,
      'shop',
      { 'package-lock.json': lock('left-behind', '1.2.2'), 'waybill.yaml': relaxed },
      'relaxed',
    );
    const run = await changeRun(dana, id, 1, signal);
    assert.equal(run.status, 'failed');
    assert.equal((await scans(waybill, run.id))[1]?.level, 'new');
  });

  let digest = '';
  let reference = '';
  let better = '';
  await t.test('with a reviewed waiver it is merged, and the image’s papers tell of it', async () => {
    const day = new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10);
    const waivers = `version: 1\nvulnerabilities:\n  - { id: CVE-2026-90001, package: left-behind, reason: not reachable from outside, owner: dana, expires: ${day} }\n`;
    const { id } = await propose(
      waybill,
      'shop',
      { 'package-lock.json': lock('left-behind', '1.2.2'), '.waybill/waivers.yaml': waivers },
      'waived',
    );
    const run = await passed(dana, await ended(dana, await mergeChange(waybill, id), signal));
    const [image] = run.images;
    digest = image?.digest ?? '';
    reference = image?.reference ?? '';
    const papers = await predicatesOf(dana, digest);
    const of = (type: string) => papers.filter((paper) => paper.predicateType === type).map((paper) => paper.predicate as never);
    const [secret] = of(secretScanType) as { scanner: { rules: { count: number } }; waybill: { covered: { files: number } } }[];
    assert.ok((secret?.scanner.rules.count ?? 0) >= 150 && (secret?.waybill.covered.files ?? 0) >= 4);
    const [sbom] = of(sbomType) as { specVersion: string; components: { purl?: string; properties?: { value: string }[] }[] }[];
    assert.equal(sbom?.specVersion, '1.6');
    const purls = sbom?.components.flatMap((each) => each.purl ?? []);
    assert.deepEqual(purls, ['pkg:npm/kept@3.2.1', 'pkg:npm/left-behind@1.2.2', 'pkg:npm/outer@1.0.0']);
    const vulnerabilities = of(vulnerabilitiesType) as {
      scanner: { result: { id: string; annotations: object[] }[] };
      waybill: { scan: string; worst?: string; waived: number };
    }[];
    assert.deepEqual(vulnerabilities.map((each) => each.waybill.scan).sort(), ['dependencies', 'image']);
    const source = vulnerabilities.find((each) => each.waybill.scan === 'dependencies');
    assert.deepEqual([source?.waybill.worst, source?.waybill.waived, source?.scanner.result[0]?.id], [undefined, 1, 'CVE-2026-90001']);
    assert.match(JSON.stringify(source?.scanner.result[0]?.annotations), /not reachable from outside/);
    await must(dana.waybill('verify', reference));
  });

  await t.test('waybill where finds it in the image, only in its source, by name, range and advisory, and after kill -9', async () => {
    const asks = async (what: string) => (await dana.api.call(endpoints.where, { query: { what, pods: 'yes', limit: 10 } })).images;
    await waybill.stop('SIGKILL');
    await waybill.start();
    for (const what of ['left-behind', 'npm:left-behind@<1.2.3', 'CVE-2026-90001']) {
      const [found, ...others] = await asks(what);
      assert.deepEqual([found?.digest, found?.use, found?.inRegistry, others.length], [digest, 'registry', true, 0], what);
      assert.deepEqual(found?.has, [
        { purl: 'pkg:npm/left-behind@1.2.2', foundIn: 'source', way: ['./', 'pkg:npm/outer@1.0.0', 'pkg:npm/left-behind@1.2.2'] },
      ]);
    }
    assert.equal((await asks('kept'))[0]?.has[0]?.foundIn, 'image');
    assert.deepEqual(await asks('npm:left-behind@>=1.2.3'), []);
    const text = await must(dana.waybill('where', 'left-behind'));
    assert.match(text, /1 of 1 image.*source only.*outer@1\.0\.0 → left-behind@1\.2\.2/s);
  });

  for (const version of [2, 3] as const)
    await t.test(`cosign ${version} accepts the list of components and the vulnerabilities`, async (t2) => {
      const cosign = await findCosign(t2, version, { host: waybill.host, person: dana });
      if (!cosign) return;
      const key = path.join(scratch, 'papers.pub');
      const { papers } = (await dana.api.call(endpoints.keys)) as { papers: { keys: { publicKey: string }[] } };
      await writeFile(key, papers.keys[0]?.publicKey ?? '');
      for (const type of [sbomType, vulnerabilitiesType, secretScanType]) {
        const done = await cosign.run(
          'verify-attestation',
          '--key',
          key,
          '--insecure-ignore-tlog=true',
          '--allow-insecure-registry',
          '--type',
          type,
          reference,
        );
        assert.ok(done.ok, done.text);
      }
    });

  await t.test('what was there before does not fail the next change, and a better version ends it', async () => {
    const waivers = 'version: 1\n';
    const known = await passed(dana, await deliver(waybill, 'shop', { 'README.md': 'three\n', '.waybill/waivers.yaml': waivers }, 'known'));
    const [, dependencies] = await scans(waybill, known.id);
    assert.deepEqual(
      dependencies?.findings.map(({ id, isNew, fails }) => [id, isNew, fails]),
      [['CVE-2026-90001', false, false]],
    );
    const mended = await passed(dana, await deliver(waybill, 'shop', { 'package-lock.json': lock('left-behind', '1.2.3') }, 'mended'));
    assert.deepEqual((await scans(waybill, mended.id))[1]?.findings, []);
    better = mended.images[0]?.digest ?? '';
  });

  await t.test('a new advisory: images that are there are looked up again, and it is told once with the image that is better', async () => {
    const vector = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H';
    const news = { ecosystem: 'npm', name: 'left-behind', id: 'CVE-2026-90009', fixed: '1.2.3', vector };
    await writeAdvisories(path.join(scratch, 'advisories'), [news]);
    await waybill.admin.api.call(endpoints.updateAdvisories, {});
    const told = async () => (await dana.api.call(endpoints.newlyVulnerable, { query: { pods: 'yes' } })).news;
    while ((await told()).length === 0) {
      signal.throwIfAborted();
      await sleep(100);
    }
    const [first, ...others] = await told();
    assert.deepEqual([first?.advisory, others.length], ['CVE-2026-90009', 0]);
    assert.deepEqual(new Set(first?.images.map((image) => image.newestWithout)), new Set([better]));
    assert.ok(first?.images.some((image) => image.digest === digest));
    assert.match(await must(dana.waybill('where', '--new')), /CVE-2026-90009 critical.*fixed in 1\.2\.3/s);
    await waybill.admin.api.call(endpoints.updateAdvisories, {});
    const entries = (await must(waybill.admin.waybill('ledger', 'export'))).split('\n').filter((line) => line.includes('newly-vulnerable'));
    assert.equal(entries.length, 1);
  });

  await t.test(
    'after an update the image has a fresh paper without a run: a policy admits by a good look, and no longer by a bad one',
    async () => {
      const pod = path.join(scratch, 'looked.json');
      const policy = path.join(scratch, 'looked-policy.json');
      const known = async () => (await dana.api.call(endpoints.listImages)).find((image) => image.digest === better);
      const image = `${waybill.host}/${(await known())?.repository}@${better}`;
      await writeFile(
        pod,
        JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: { containers: [{ name: 'a', image }] } }),
      );
      const asked = { review: {}, tests: [], provenance: true, scans: { vulnerabilities: { below: 'high', days: 1 } } };
      await writeFile(policy, JSON.stringify({ default: { registry: [waybill.host], mode: 'enforce', require: asked } }));
      const admitted = async () => dana.waybill('admit', '-f', pod, '--policy', policy);
      const low = 'CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N';
      const critical = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H';
      const runs = (await dana.api.call(endpoints.listRuns, { query: { limit: 1000 } })).length;
      for (const [id, vector, worst, ok] of [
        ['CVE-2026-90010', low, 'low', true],
        ['CVE-2026-90011', critical, 'critical', false],
      ] as const) {
        const before = (await known())?.lookedAt ?? '';
        await writeAdvisories(path.join(scratch, 'advisories'), [{ ecosystem: 'npm', name: 'kept', id, fixed: '4.0.0', vector }]);
        await waybill.admin.api.call(endpoints.updateAdvisories, {});
        while (((await known())?.lookedAt ?? '') <= before) {
          signal.throwIfAborted();
          await sleep(100);
        }
        assert.equal((await known())?.worst, worst);
        const verdict = await admitted();
        assert.equal(verdict.ok, ok, verdict.text);
        if (!ok) assert.match(verdict.text, /open vulnerability that is critical.*below high/s);
      }
      assert.equal((await dana.api.call(endpoints.listRuns, { query: { limit: 1000 } })).length, runs);
      const looks = (await predicatesOf(dana, better)).filter((paper) => paper.predicateType === vulnerabilitiesType) as unknown as {
        predicate: { waybill: { again?: object; worst?: string } };
      }[];
      assert.deepEqual(
        looks.map(({ predicate: { waybill: of } }) => (of.again ? of.worst : 'of the run')),
        ['of the run', 'of the run', 'low', 'critical'],
      );
      assert.match(await must(dana.waybill('verify', image)), /the worst that is open is critical/);
      assert.match(await must(dana.waybill('trace', better)), /worst open.*critical/);
      assert.equal((await scans(waybill, (await known())?.run ?? 0)).at(-1)?.name, 'image web, looked at again');
      await waybill.stop('SIGKILL');
      await waybill.start();
      assert.equal((await admitted()).ok, false);
    },
  );

  for (const version of [2, 3] as const)
    await t.test(`cosign ${version} accepts the papers of an image that was looked at again`, async (t2) => {
      const cosign = await findCosign(t2, version, { host: waybill.host, person: dana });
      if (!cosign) return;
      const key = path.join(scratch, 'papers.pub');
      const root = path.join(scratch, 'root.json');
      await writeFile(root, '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}');
      const named = (await dana.api.call(endpoints.listImages)).find((image) => image.digest === better);
      const flags = ['--key', key, '--insecure-ignore-tlog=true', '--allow-insecure-registry', '--type', vulnerabilitiesType];
      // As bundles, where the newer ones are.
      const bundles = ['--new-bundle-format', '--trusted-root', root];
      const done = await cosign.run('verify-attestation', ...bundles, ...flags, `${waybill.host}/${named?.repository}@${better}`);
      assert.ok(done.ok, done.text);
      const said = [...done.text.matchAll(/"payload":"([^"]+)"/g)].map(([, payload = '']) => Buffer.from(payload, 'base64').toString());
      assert.equal(said.filter((statement) => statement.includes('"again"')).length, 2, done.text.slice(0, 2_000));
    });

  await t.test('a gap that was there before fails no later change', async () => {
    const files = { 'README.md': 'one\n', 'pom.xml': '<project/>', 'waybill.yaml': pipeline.split('images:')[0] ?? '' };
    await newRepository(waybill, 'gaps', files);
    await passed(dana, await deliver(waybill, 'gaps', { 'README.md': 'two\n' }, 'two'));
    const { id } = await propose(waybill, 'gaps', { 'api/pom.xml': '<project/>' }, 'more');
    const run = await changeRun(dana, id, 1, signal);
    assert.equal(run.status, 'failed');
    assert.match(run.scans.find((scan) => scan.name === 'dependencies')?.reason ?? '', /new: api\/pom\.xml was not looked at/);
  });

  await t.test('without advisories to look anything up in, nothing passes, and it says how to get some', async () => {
    await newRepository(waybill, 'ruby', { 'README.md': 'one\n', 'waybill.yaml': pipeline.split('images:')[0] ?? '' });
    const { id } = await propose(waybill, 'ruby', { 'go.mod': 'module x\n\ngo 1.22\n\nrequire example.com/fine v1.0.0\n' }, 'go');
    assert.equal((await changeRun(dana, id, 1, signal)).status, 'passed');
    const file = path.join(data, 'waybill.json');
    const config = await readFile(file, 'utf8');
    await waybill.stop('SIGTERM');
    await writeFile(file, JSON.stringify({ ...(JSON.parse(config) as object), scan: { advisories: { everyHours: 0 }, databaseDays: 1 } }));
    await writeFile(
      path.join(data, 'advisories', 'Go.state.json'),
      (await readFile(path.join(data, 'advisories', 'Go.state.json'), 'utf8')).replace(
        /"updatedAt": "[^"]+"/,
        '"updatedAt": "2026-01-01T00:00:00.000Z"',
      ),
    );
    await waybill.start();
    const { said } = await pushVersion(waybill, 'ruby', { 'README.md': 'two\n' }, ['-o', 'topic=go']);
    assert.match(said, /Run/);
    const run = await changeRun(dana, id, 2, signal);
    assert.equal(run.status, 'failed');
    assert.match(
      run.scans.find((scan) => scan.name === 'dependencies')?.reason ?? '',
      /advisories for Go are of 2026-01-01.*waybill db update/,
    );
    await waybill.stop('SIGTERM');
    await writeFile(file, config);
    await waybill.start();
  });

  await t.test('a credential in what a change brings is found, named by file and line, and told nowhere in full', async () => {
    await newRepository(waybill, 'leaky', { 'README.md': 'one\n', 'waybill.yaml': pipeline.split('images:')[0] ?? '' });
    const text = `const a = 1;\nconst token = "${credential}";\n`;
    const folder = path.join(dana.folder, 'leaky');
    await must(dana.git(folder, 'checkout', '-q', '-B', 'leak', 'origin/main'));
    await writeFile(path.join(folder, 'a.js'), text);
    await must(dana.git(folder, 'add', '-A'));
    await must(dana.git(folder, 'commit', '-q', '-m', 'leak'));
    const pushed = await dana.git(folder, 'push', '-o', 'topic=leak', 'origin', 'HEAD:refs/for/main');
    const id = changeOf(pushed.text);
    const run = await changeRun(dana, id, 1, signal);
    assert.equal(run.status, 'failed');
    const [finding] = (await scans(waybill, run.id))[0]?.findings ?? [];
    assert.match(finding?.where[0] ?? '', /^a\.js:2 \([0-9a-f]{12}\)$/);
    const told = JSON.stringify([run, await scans(waybill, run.id), await must(dana.waybill('change', 'report', String(id)))]);
    assert.ok(!told.includes(credential));
  });

  await t.test('what a history holds is told with its commits, whatever became of the file', async () => {
    const { admin } = waybill;
    await newRepository(waybill, 'past', {
      'README.md': 'one\n',
      'old.js': `const token = "${credential}";\n`,
      'waybill.yaml': pipeline.split('images:')[0] ?? '',
    });
    await passed(dana, await deliver(waybill, 'past', { 'old.js': 'nothing\n' }, 'clean'));
    await assert.rejects(dana.api.call(endpoints.scanHistory, { params: { name: 'past' } }), { code: 'FORBIDDEN' });
    const text = await must(admin.waybill('repo', 'history', 'past', '--scan'));
    assert.match(text, /old\\?\.js:1/);
    assert.ok(!text.includes(credential));
    const again = await admin.api.call(endpoints.scanHistory, { params: { name: 'past' } });
    assert.equal(again.findingCount, 1);
    assert.ok(again.covered.files < 3, `what was clean is not read again: ${JSON.stringify(again.covered)}`);
    assert.deepEqual((await dana.api.call(endpoints.showHistoryScan, { params: { name: 'past' } })).findings, again.findings);
    assert.match(await must(dana.waybill('advisories')), /npm +[1-4] /);
  });
});
