import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isWaybillError } from '../kernel/error.ts';
import { ensureCertificates, type Certificates } from './certificates.ts';

const names = ['gate.waybill-system.svc', '127.0.0.1', '::1'];
const start = new Date('2026-11-22T12:00:00Z');
const day = 24 * 60 * 60 * 1_000;
const later = (days: number) => new Date(start.getTime() + days * day);

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'waybill-certificates-'));
  t.after(() => rm(path, { recursive: true }));
  return join(path, 'certificates');
}

function authorities({ caBundle }: Certificates): X509Certificate[] {
  return caBundle
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .filter((pem) => pem !== '')
    .map((pem) => new X509Certificate(pem));
}

/** True when the serving certificate is signed by one of these authorities and all dates fit. */
function trusts(bundle: readonly X509Certificate[], certificates: Certificates, at: Date): boolean {
  const serving = new X509Certificate(certificates.serving.cert);
  const fits = (one: X509Certificate) => one.validFromDate <= at && at < one.validToDate;
  return bundle.some((ca) => serving.checkIssued(ca) && serving.verify(ca.publicKey) && fits(ca)) && fits(serving);
}

test('the first call makes an authority and a serving certificate for the names', async (t) => {
  const path = await folder(t);
  const made = await ensureCertificates(path, names, start);
  const serving = new X509Certificate(made.serving.cert);
  assert.ok(trusts(authorities(made), made, start));
  assert.deepEqual([serving.ca, authorities(made)[0]?.ca, made.changed], [false, true, true]);
  assert.ok(
    serving.checkHost('gate.waybill-system.svc') &&
      serving.checkIP('127.0.0.1') &&
      serving.checkIP('::1') &&
      !serving.checkHost('x.example'),
  );
  assert.equal((await stat(join(path, 'certificates.json'))).mode & 0o777, 0o600);
  const again = await ensureCertificates(path, names.toReversed(), later(1));
  assert.deepEqual([again.changed, again.serving.cert], [false, made.serving.cert]);
});

test('other names get another serving certificate from the same authority', async (t) => {
  const path = await folder(t);
  const before = await ensureCertificates(path, names, start);
  const after = await ensureCertificates(path, ['other.example'], start);
  assert.deepEqual([after.changed, after.caBundle === before.caBundle], [true, true]);
  assert.ok(new X509Certificate(after.serving.cert).checkHost('other.example'));
});

test('over two years of daily renewals, a bundle that is three days old always trusts what is served', async (t) => {
  const path = await folder(t);
  const bundles: X509Certificate[][] = [];
  let [renewed, longest] = [0, 0];
  for (let days = 0; days < 730; days++) {
    const made = await ensureCertificates(path, names, later(days));
    assert.ok(made.renewAt > later(days));
    bundles.push(authorities(made));
    assert.ok(trusts(bundles[Math.max(0, days - 3)] ?? [], made, later(days)), `day ${days}`);
    if (made.changed) renewed += 1;
    longest = Math.max(longest, authorities(made).length);
  }
  assert.ok(renewed > 10 && renewed < 60, String(renewed));
  assert.equal(longest, 2);
});

test('asked only when it says so, it renews in time', async (t) => {
  const path = await folder(t);
  let now = start;
  for (let calls = 0; now < later(800); calls++) {
    assert.ok(calls < 100);
    const made = await ensureCertificates(path, names, now);
    const until = new X509Certificate(made.serving.cert).validToDate;
    assert.ok(made.renewAt < until);
    now = made.renewAt;
  }
});

test('after years without a start everything is made anew', async (t) => {
  const path = await folder(t);
  await ensureCertificates(path, names, start);
  const made = await ensureCertificates(path, names, later(3_000));
  assert.deepEqual([authorities(made).length, trusts(authorities(made), made, later(3_000))], [1, true]);
});

test('two that start at once agree on one authority', async (t) => {
  const path = await folder(t);
  const made = await Promise.all(Array.from({ length: 8 }, () => ensureCertificates(path, names, start)));
  assert.equal(new Set(made.map((one) => one.caBundle)).size, 1);
  assert.equal(new Set(made.map((one) => one.serving.cert)).size, 1);
});

test('a file that is not ours is refused, and no part of a key is told', async (t) => {
  const path = await folder(t);
  await ensureCertificates(path, names, start);
  const file = join(path, 'certificates.json');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.slice(0, -20));
  await assert.rejects(
    ensureCertificates(path, names, start),
    (error) => isWaybillError(error, 'INVALID_INPUT') && error.cause === undefined && !error.detail.includes('PRIVATE'),
  );
});

for (const bad of [[], [''], ['*.example'], ['Gate.example'], ['a b'], ['x'.repeat(300)], ['gate.example', 'http://x']]) {
  test(`names ${JSON.stringify(bad).slice(0, 40)} are refused`, async (t) => {
    await assert.rejects(ensureCertificates(await folder(t), bad, start), (error) => isWaybillError(error, 'INVALID_INPUT'));
  });
}

test('a key prints as ***', async (t) => {
  const made = await ensureCertificates(await folder(t), names, start);
  assert.doesNotMatch(JSON.stringify(made), /PRIVATE/);
});
