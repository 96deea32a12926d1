import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { execa } from 'execa';

/** An archive of an image of this name that holds busybox alone, gone after the test. */
export async function busyboxImage(t: TestContext, name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-e2e-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'root/bin'), { recursive: true });
  await cp('/bin/busybox', join(folder, 'root/bin/busybox'), { dereference: true });
  for (const program of ['sh', 'httpd', 'sleep', 'echo', 'mkdir']) await symlink('busybox', join(folder, 'root/bin', program));
  await execa('tar', ['-C', join(folder, 'root'), '-cf', join(folder, 'root.tar'), '.']);
  await execa('podman', ['import', join(folder, 'root.tar'), name]);
  await execa('podman', ['save', '-o', join(folder, 'image.tar'), name]);
  await execa('podman', ['rmi', name]);
  return join(folder, 'image.tar');
}
