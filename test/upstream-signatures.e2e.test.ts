import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { endpoints } from '../src/api/endpoints.ts';
import { bundleMediaType } from '../src/evidence/bundle.ts';
import { importPredicate, importType } from '../src/evidence/statements/import.ts';
import { signPredicateType } from '../src/evidence/upstream/found-signature.ts';
import { startTestSigstore } from '../src/evidence/upstream/sigstore.fixture.ts';
import { hexOf, parseDigest } from '../src/kernel/digest.ts';
import { Secret } from '../src/kernel/secret.ts';
import { connectRegistry } from '../src/oci/client.ts';
import { ociManifest } from '../src/oci/media-types.ts';
import { must, mustRefuse } from '../scripts/demo/person.ts';
import { companyLogin, companyRegistry, upstreamImage } from './kit/company-registry.ts';
import { findProgram, lacks, skip } from './kit/needs.ts';
import { predicatesOf } from './kit/papers.ts';
import { openWaybill } from './kit/waybill.ts';

const limit = { timeout: 180_000 };

test('signatures that the real cosign makes are found behind a credential, judged, shown, and stand in the paper', limit, async (t) => {
  if (await lacks(t, 'docker-registry')) return;
  const programs = new Map<2 | 3, string>();
  for (const version of [2, 3] as const) {
    const program = await findProgram(`cosign${version}`, `WAYBILL_COSIGN${version}`);
    if (program !== undefined) programs.set(version, program);
  }
  await using w = await openWaybill();
  const { admin, dana, rita, scratch } = w;
  await using company = await companyRegistry(scratch);
  const home = path.join(scratch, 'vendor');
  await mkdir(path.join(home, '.docker'), { recursive: true });
  const auth = Buffer.from(`${companyLogin.username}:${companyLogin.password}`).toString('base64');
  await writeFile(path.join(home, '.docker', 'config.json'), JSON.stringify({ auths: { [company.host]: { auth } } }));
  const cosign = async (version: 2 | 3, ...args: string[]) => {
    const env = { HOME: home, PATH: process.env['PATH'] ?? '', COSIGN_PASSWORD: '' };
    const done = await execa(programs.get(version) ?? '', args, {
      cwd: home,
      extendEnv: false,
      env,
      reject: false,
      timeout: 60_000,
      all: true,
    });
    assert.equal(done.exitCode, 0, done.all);
  };
  const signWith = async (version: 2 | 3, key: string, digest: string, repository = 'vendor/db') => {
    const logless = version === 2 ? ['--tlog-upload=false'] : ['--tlog-upload=false', '--use-signing-config=false'];
    const reference = `${company.host}/${repository}@${digest}`;
    await cosign(version, 'sign', '--yes', '--key', `${key}.key`, ...logless, '--allow-http-registry=true', reference);
  };
  const ask = (reference: string, as: string) =>
    dana.waybill('image', 'import', reference, '--reason', 'the shop keeps its orders in it', '--as', as);
  const paperOf = async (digest: string) => {
    const found = (await predicatesOf(admin, digest)).find((each) => each.predicateType === importType);
    const { upstreamSignatures } = importPredicate.parse(found?.predicate);
    assert.ok(typeof upstreamSignatures === 'object');
    return upstreamSignatures;
  };
  const image = `${company.host}/vendor/db`;

  await t.test('the upstream asks for a name and a password, which an administrator has sealed for imports alone', async () => {
    const digest = await upstreamImage(company.host, 'vendor/plain', '1');
    const reference = `${company.host}/vendor/plain:1`;
    await mustRefuse(ask(reference, 'plain'), /is no public address/);
    const credential = path.join(scratch, 'credential.json');
    await writeFile(credential, JSON.stringify({ username: companyLogin.username, password: `not ${companyLogin.password}` }));
    const add = (use: string) =>
      admin.waybill(
        'registry',
        'add',
        'company',
        '--server',
        company.host,
        '--credential',
        credential,
        '--use',
        use,
        '--repository',
        'shop',
      );
    await must(add('publish'));
    await mustRefuse(ask(reference, 'plain'), /is no public address/);
    await must(admin.waybill('registry', 'remove', 'company'));
    await must(admin.waybill('registry', 'add', 'company', '--server', company.host, '--credential', credential, '--use', 'import'));
    await mustRefuse(ask(reference, 'plain'), /401|[Cc]redential/);
    await must(admin.waybill('registry', 'remove', 'company'));
    await writeFile(credential, JSON.stringify({ username: companyLogin.username, password: companyLogin.password }));
    await must(admin.waybill('registry', 'add', 'company', '--server', company.host, '--credential', credential, '--use', 'import'));
    assert.match(await must(ask(reference, 'plain')), /Signatures of the upstream: no signature was found/);
    await must(rita.waybill('image', 'approve', '1'));
    assert.deepEqual(await paperOf(digest), { outcome: 'none', found: 0, required: false, verified: [], problems: [] });
  });

  for (const version of [2, 3] as const)
    await t.test(`cosign ${version}`, async (t) => {
      if (!programs.has(version)) return skip(t, `cosign ${version} is not in WAYBILL_COSIGN${version}`);
      const keys = [`vendor${version}`, `stranger${version}`] as const;
      for (const key of keys) await cosign(version, 'generate-key-pair', '--output-key-prefix', key);
      const [vendor, stranger] = keys;
      const form = version === 2 ? 'cosign-tag' : 'bundle';
      const signed = await upstreamImage(company.host, 'vendor/db', `signed${version}`);
      await signWith(version, vendor, signed);

      assert.match(await must(ask(`${image}:signed${version}`, `unchecked${version}`)), /1 found, none checked: .*no key is trusted/);
      const trust = (...more: string[]) =>
        admin.waybill('image', 'trust', 'add', `${company.host}/vendor/*`, '--key', path.join(home, `${vendor}.pub`), ...more);
      await mustRefuse(dana.waybill('image', 'trust', 'add', '**/x', '--key', path.join(home, `${vendor}.pub`)), /role/);
      await mustRefuse(
        admin.waybill('image', 'trust', 'add', `${company.host}/vendor/*`, '--key', path.join(home, `${vendor}.key`)),
        /private key|no public key/,
      );
      await must(trust('--required'));
      await mustRefuse(trust(), /is trusted .* already/);

      const said = await must(ask(`${image}:signed${version}`, `signed${version}`));
      assert.match(said, /Signatures of the upstream: by the key [0-9a-f]{16}…/);
      const number = /Import (\d+):/.exec(said)?.[1] ?? '';
      assert.match(await must(rita.waybill('image', 'approve', number)), /by the key/);
      const paper = await paperOf(signed);
      assert.deepEqual([paper.outcome, paper.required, paper.verified.map((each) => each.form)], ['verified', true, [form]]);
      const listed = (await admin.api.call(endpoints.listImports)).find((each) => String(each.id) === number);
      assert.equal(listed?.signatures?.verified[0]?.keyId, paper.verified[0]?.keyId);

      const unsigned = await upstreamImage(company.host, 'vendor/db', `unsigned${version}`);
      await mustRefuse(
        ask(`${image}:unsigned${version}`, 'unsigned'),
        /must be signed by its upstream, and is not: no signature was found/,
      );
      await signWith(version, stranger, unsigned);
      await mustRefuse(ask(`${image}:unsigned${version}`, 'unsigned'), /1 found, none holds: .*by none of the 1 keys/);

      // The vendor's signature of another image, hung at this one as whoever can push there may do.
      const hung = await upstreamImage(company.host, 'vendor/db', `hung${version}`);
      await hang(company.host, signed, hung);
      await mustRefuse(ask(`${image}:hung${version}`, 'hung'), /none holds: .*about another digest/);

      if (version === 2) {
        // The very image and its very signature, for another name of the same vendor.
        await copyAll(company.host, 'vendor/db', 'vendor/other', signed);
        await mustRefuse(ask(`${company.host}/vendor/other@${signed}`, 'other'), /is for ".*vendor\/db", not for .*vendor\/other/);
      }
      const refusals = JSON.stringify(await admin.api.call(endpoints.refuse));
      assert.match(refusals, /must be signed by its upstream/);

      // What was approved while a key was trusted is not signed when it is trusted no more and another one is required.
      const rules = await admin.api.call(endpoints.listUpstreamTrust);
      const waiting = /Import (\d+):/.exec(await must(ask(`${image}:signed${version}`, `late${version}`)))?.[1] ?? '';
      for (const rule of rules) await must(admin.waybill('image', 'trust', 'remove', String(rule.id)));
      const strangers = path.join(home, `${stranger}.pub`);
      await must(admin.waybill('image', 'trust', 'add', `${company.host}/**`, '--key', strangers, '--required'));
      await mustRefuse(rita.waybill('image', 'approve', waiting), /could not be copied: .*must be signed by its upstream/);
      for (const rule of await admin.api.call(endpoints.listUpstreamTrust))
        await must(admin.waybill('image', 'trust', 'remove', String(rule.id)));
    });

  await t.test('keyless, with a trusted root of a company', async () => {
    await using sigstore = await startTestSigstore();
    const vendor = { subject: 'ci@vendor.example', issuer: 'https://issuer.vendor.example' };
    const root = path.join(scratch, 'trusted_root.json');
    await writeFile(root, sigstore.trustedRoot);
    const trust = (...more: string[]) =>
      admin.waybill('image', 'trust', 'add', `${company.host}/vendor/*`, '--required', '--identity', vendor.subject, ...more);
    await mustRefuse(trust('--issuer', vendor.issuer), /either a key, or an identity with its issuer and a trusted root/);
    await mustRefuse(trust('--issuer', vendor.issuer, '--trusted-root', path.join(scratch, 'htpasswd')), /trusted root cannot be read/);
    await must(trust('--issuer', vendor.issuer, '--trusted-root', root));
    assert.match(await must(admin.waybill('image', 'trust', 'list')), /ci@vendor\.example \(https:\/\/issuer\.vendor\.example\)/);
    for (const [tag, subject, outcome] of [
      ['mallory', 'mallory@evil.example', 'bad'],
      ['keyless', vendor.subject, 'verified'],
    ] as const) {
      const digest = parseDigest(await upstreamImage(company.host, 'vendor/db', tag));
      const statement = {
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ digest: { sha256: hexOf(digest) } }],
        predicateType: signPredicateType,
        predicate: {},
      };
      using client = connectRegistry({
        registry: company.host,
        plainHttp: true,
        auth: { username: companyLogin.username, password: new Secret(companyLogin.password) },
      });
      const image = await client.resolve('vendor/db', tag);
      assert.ok(image);
      const blob = Buffer.from(await sigstore.sign(statement, { ...vendor, subject }));
      await client.attachReferrer('vendor/db', image, { artifactType: bundleMediaType, blob, blobMediaType: bundleMediaType });
      if (outcome === 'bad') {
        await mustRefuse(ask(`${company.host}/vendor/db:${tag}`, tag), /must be signed by its upstream, and is not/);
        continue;
      }
      const said = await must(ask(`${company.host}/vendor/db:${tag}`, tag));
      assert.match(said, /by ci@vendor\.example/);
      await must(rita.waybill('image', 'approve', /Import (\d+):/.exec(said)?.[1] ?? ''));
      assert.equal((await paperOf(digest)).verified[0]?.identity, `${vendor.subject} (${vendor.issuer})`);
    }
  });

  async function registryCall(host: string, route: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://${host}/v2/${route}`, {
      ...init,
      headers: { authorization: `Basic ${auth}`, accept: `${ociManifest}, application/vnd.oci.image.index.v1+json`, ...init.headers },
      signal: w.signal,
    });
  }

  /** Everything that signs one image, under the tags of the other. */
  async function hang(host: string, from: string, to: string): Promise<void> {
    for (const end of ['', '.sig']) {
      const found = await registryCall(host, `vendor/db/manifests/${from.replace(':', '-')}${end}`);
      if (!found.ok) continue;
      const body = await found.text();
      const type = found.headers.get('content-type') ?? '';
      await registryCall(host, `vendor/db/manifests/${to.replace(':', '-')}${end}`, {
        method: 'PUT',
        body,
        headers: { 'content-type': type },
      });
    }
  }

  async function copyAll(host: string, from: string, to: string, digest: string): Promise<void> {
    for (const name of [digest, `${digest.replace(':', '-')}.sig`]) {
      const found = await registryCall(host, `${from}/manifests/${name}`);
      const body = await found.text();
      const manifest = JSON.parse(body) as { config: { digest: string }; layers: { digest: string }[] };
      for (const blob of [manifest.config, ...manifest.layers])
        await registryCall(host, `${to}/blobs/uploads/?mount=${blob.digest}&from=${from}`, { method: 'POST' });
      await registryCall(host, `${to}/manifests/${name}`, { method: 'PUT', body, headers: { 'content-type': ociManifest } });
    }
  }
});
