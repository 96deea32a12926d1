import type { Secret } from '../../src/kernel/secret.ts';

/**
 * A script that looks where keys could be, and says what it found. It is committed by the attacker, so it may know everything about the
 * machine but the secrets; of those it gets the first half, to search for.
 */
export function snoop(known: { data: string; host: string; tokens: readonly Secret[] }): string {
  const [host = '', port = ''] = known.host.split(':');
  const halves = known.tokens.map((token) => token.reveal().slice(0, 20)).join('|');
  return `#!/bin/sh
set +e
look() { what=$1; shift; if [ -n "$("$@" 2>/dev/null | head -c 200)" ]; then echo "FOUND $what"; else echo "nothing: $what"; fi; }
look "in Waybill's data directory" ls -A '${known.data}'
look "signing keys" sh -c "find / -xdev -name '*.key.pem' -not -path '/proc/*' 2>/dev/null"
look "tokens in the environment" sh -c "env | grep -E 'WAYBILL_TOKEN|${halves}'"
look "tokens in other processes" sh -c "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\\\0' '\\\\n' | grep -E '^(WAYBILL_|REMOTE_USER=)|${halves}'"
look "processes of the server" sh -c "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\\\0' ' ' | grep -E 'main/cli|waybill (server|signer)' | grep -v grep"
look "home folders" sh -c "ls -A /root /home/* 2>/dev/null | grep -v '^$' | grep -v ':$' | grep -v -E '^\\\\.npm$|^build$'"
look "Docker's or podman's socket" sh -c "ls /var/run/docker.sock /run/podman/podman.sock /run/containerd/containerd.sock 2>/dev/null"
look "capabilities" sh -c "grep -E '^Cap(Eff|Prm|Bnd)' /proc/self/status | grep -v 0000000000000000"
look "the server on loopback" node -e "require('net').connect(${port}, '${host}').on('connect', () => { console.log('open'); process.exit() }).on('error', () => {}).setTimeout(3000, function () { this.destroy() })"
look "the cloud's metadata" node -e "require('net').connect(80, '169.254.169.254').on('connect', () => { console.log('open'); process.exit() }).on('error', () => {}).setTimeout(3000, function () { this.destroy() })"
exit 0
`;
}
