import { chmodSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Network } from '../../plan/plan.ts';
import { resolverAddress } from './routes.ts';
import type { Owner } from './owner.ts';

export const buildHome = '/home/build';

/**
 * Folders of the host that are read-only inside our own /etc: what it trusts, and where its commands point to; no private keys.
 * Single files are copied when the job starts, because each bind costs every step 0.1 ms.
 */
const bound = ['/etc/ssl/certs', '/etc/pki/tls/certs', '/etc/pki/ca-trust/extracted', '/etc/alternatives'];
const copied = ['/etc/ssl/openssl.cnf', '/etc/pki/tls/openssl.cnf', '/etc/ld.so.cache', '/etc/protocols', '/etc/services'];

/** Makes `folder` the /etc of one job. Returns the host paths that are to be bound over it. */
export function writeEtc(folder: string, owner: Owner, network: Network): readonly string[] {
  mkdirSync(folder, { recursive: true });
  const { uid, gid } = insideIds(owner);
  const files: Record<string, string> = {
    passwd: `root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nbuild:x:${uid}:${gid}:build:${buildHome}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
    group: `root:x:0:\nbuild:x:${gid}:\nnogroup:x:65534:\n`,
    'nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nprotocols: files\nservices: files\n',
    hosts: '127.0.0.1 localhost waybill\n::1 localhost ip6-localhost ip6-loopback\n',
    'host.conf': 'multi on\n',
    hostname: 'waybill\n',
    'resolv.conf': network === 'filtered' ? `nameserver ${resolverAddress}\noptions timeout:5 attempts:3\n` : '# this job has no network\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o644 });
  const inside = (path: string): string => join(folder, path.slice('/etc/'.length));
  for (const path of copied.filter((path) => existsSync(path))) {
    mkdirSync(dirname(inside(path)), { recursive: true });
    copyFileSync(path, inside(path));
    chmodSync(inside(path), 0o644);
  }
  const present = bound.filter((path) => existsSync(path));
  for (const path of present) mkdirSync(inside(path), { recursive: true }); // the folder is read-only inside: bwrap cannot make them
  return present;
}

/** Ids that a step sees of itself: the real ones under root, else made up by the user namespace. */
export function insideIds(owner: Owner): { uid: number; gid: number } {
  return owner.separate ? { uid: owner.uid, gid: owner.gid } : { uid: 1000, gid: 1000 };
}

/** What the host trusts is trusted inside. */
export function certificateEnv(): Readonly<Record<string, string>> {
  const bundle = '/etc/ssl/certs/ca-certificates.crt';
  return existsSync(bundle) ? { SSL_CERT_FILE: bundle, NODE_EXTRA_CA_CERTS: bundle } : {};
}
