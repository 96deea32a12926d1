import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { chown } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const uid = 12_345;
const tests = ['contract', 'hostile', 'reap'].map((name) => fileURLToPath(new URL(`./${name}.test.ts`, import.meta.url)));

/** What this machine trusts besides the usual, so that the ordinary user's npm trusts it too. */
const authorities = process.env['NODE_EXTRA_CA_CERTS'] === undefined ? '' : 'NODE_EXTRA_CA_CERTS="$NODE_EXTRA_CA_CERTS"';

/** Device files are often root's alone in containers and small systems; on a usual machine everybody may open this one. */
const script = `
set -e
mknod "$1/tun" c 10 200
chmod 666 "$1/tun"
mount --bind "$1/tun" /dev/net/tun
folder=$1; shift
exec setpriv --reuid ${uid} --regid ${uid} --clear-groups env -i HOME="$folder" TMPDIR="$folder" PATH="$PATH" ${authorities} "$@"`;

const skip = process.geteuid?.() === 0 ? false : 'needs root, to become somebody who is not; the same tests ran as this user already';

test('everything that holds for root holds for an ordinary user', { skip, timeout: 300_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ordinary-user-'));
  await chown(folder, uid, uid);
  try {
    const run = await execa(
      'unshare',
      ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', folder, process.execPath, '--test', ...tests],
      {
        env: {
          PATH: `${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`,
          NODE_EXTRA_CA_CERTS: process.env['NODE_EXTRA_CA_CERTS'],
        },
        extendEnv: false,
        reject: false,
        all: true,
        timeout: 300_000,
      },
    );
    assert.equal(run.exitCode, 0, run.all.slice(-5000));
    assert.doesNotMatch(run.all, /SKIPPED: (no sandbox|no filtered network|host runner)/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
