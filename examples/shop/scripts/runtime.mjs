// Makes runtime/: a root file system that holds the running Node and the shared libraries that it needs, each at the path where
// the loader looks for it, and nothing else: no shell, no package manager. The image needs no base.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const root = 'runtime';
rmSync(root, { recursive: true, force: true });
put(realpathSync(process.execPath), '/usr/bin/node');
for (const library of librariesOf(process.execPath)) put(realpathSync(library), library);
text('/etc/passwd', 'root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n');
text('/etc/group', 'root:x:0:\nnonroot:x:65532:\n');
text('/etc/nsswitch.conf', 'hosts: files dns\n');
mkdirSync(`${root}/tmp`);

/** Absolute paths that `ldd` names: `libc.so.6 => /lib/…/libc.so.6 (0x…)`, and the loader's own `/lib64/ld-linux-x86-64.so.2 (0x…)`. */
function librariesOf(program) {
  const lines = execFileSync('ldd', [program], { encoding: 'utf8', env: { PATH: process.env.PATH, LC_ALL: 'C' } }).split('\n');
  const missing = lines.filter((line) => line.includes('not found'));
  if (missing.length > 0) throw new Error(`ldd: ${missing.join('; ')}`);
  return lines.flatMap((line) => /(?:=> )?(\/\S+) \(0x[0-9a-f]+\)$/.exec(line)?.[1] ?? []);
}

function put(from, to) {
  mkdirSync(dirname(root + to), { recursive: true });
  copyFileSync(from, root + to);
  // The loader maps libraries, and is itself a program.
  chmodSync(root + to, 0o755);
}

function text(path, content) {
  mkdirSync(dirname(root + path), { recursive: true });
  writeFileSync(root + path, content);
}
