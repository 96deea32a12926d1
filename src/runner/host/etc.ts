import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Network } from '../../plan/plan.ts';
import { resolverAddress } from './routes.ts';
import type { Owner } from './owner.ts';

export const buildHome = '/home/build';

/** Read-only from the host into our own /etc: trust in certificates, and names without secrets. No private keys. */
const fromHost = [
  '/etc/ssl/certs',
  '/etc/ssl/openssl.cnf',
  '/etc/ca-certificates',
  '/etc/pki/tls/certs',
  '/etc/pki/tls/openssl.cnf',
  '/etc/pki/ca-trust/extracted',
  '/etc/alternatives',
  '/etc/ld.so.cache',
];
const copied = ['/etc/protocols', '/etc/services'];

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
  for (const path of copied.filter((path) => existsSync(path))) copyFileSync(path, join(folder, path.slice('/etc/'.length)));
  const bound = fromHost.filter((path) => existsSync(path));
  for (const path of bound) {
    // Mount points cannot be made later: the folder is read-only inside.
    const target = join(folder, path.slice('/etc/'.length));
    if (/\.(cnf|cache)$/.test(path)) {
      mkdirSync(join(target, '..'), { recursive: true });
      writeFileSync(target, '');
    } else mkdirSync(target, { recursive: true });
  }
  return bound;
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
