// Plain JavaScript for Node 20: installs what is missing, says what it does, and then runs the given script with the right Node.
//   node scripts/setup.mjs [--needs bwrap,podman,…] -- node SCRIPT [ARGS…]
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Program → Debian packages that bring it (and what it needs to be of use here). */
const debian = {
  git: ['git'],
  bwrap: ['bubblewrap'],
  slirp4netns: ['slirp4netns'],
  ip: ['iproute2'],
  podman: ['podman', 'runc', 'crun', 'netavark', 'aardvark-dns', 'fuse-overlayfs', 'uidmap'],
  runc: ['runc'],
  buildah: ['buildah'],
  skopeo: ['skopeo'],
  busybox: ['busybox-static'],
  chromium: ['chromium'],
};

/** What is no program → the file that shows that its Debian package is there. */
const files = { 'python3-packaging': '/usr/lib/python3/dist-packages/packaging' };

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const separator = process.argv.indexOf('--');
const own = process.argv.slice(2, separator);
const command = process.argv.slice(separator + 1);
const needs = own[0] === '--needs' ? own[1].split(',') : [];
const say = (line) => process.stderr.write(`${line}\n`);

installPackages();
installPrograms(needs);
runCommand(command);

function installPackages() {
  const lock = readFileSync(path.join(root, 'package-lock.json'));
  const wanted = createHash('sha256').update(lock).digest('hex');
  const stamp = path.join(root, 'node_modules', '.waybill-installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  // Somebody has run npm install or npm ci by hand since the lock file was written.
  const installed = path.join(root, 'node_modules', '.package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(path.join(root, 'package-lock.json')).mtimeMs) return;
  say('Installing npm packages (npm ci) …');
  const started = Date.now();
  const done = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (done.status !== 0) stop('npm ci failed', 'Look at the lines above; the npm registry must be reachable.');
  writeFileSync(stamp, wanted);
  say(`  done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function installPrograms(programs) {
  const has = (program) =>
    existsSync(files[program] ?? '') ||
    (process.env.PATH ?? '')
      .split(':')
      .concat('/usr/sbin', '/sbin')
      .some((folder) => existsSync(path.join(folder, program)));
  const missing = programs.filter((program) => !has(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.flatMap((program) => debian[program] ?? [program]))];
  if (!existsSync('/usr/bin/apt-get') || process.getuid?.() !== 0) {
    say(
      `Missing on this machine: ${missing.join(', ')}. Install them with your package manager (on Debian: apt-get install ${packages.join(' ')}).`,
    );
    say('What needs them is left out, and says so.');
    return;
  }
  say(`Installing Debian packages: ${packages.join(' ')} …`);
  const started = Date.now();
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => spawnSync('apt-get', ['-qq', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
  const install = () => apt('install', '-y', '--no-install-recommends', ...packages);
  if (!(apt('update') && install())) stop('apt-get failed', `Install by hand: apt-get install ${packages.join(' ')}`);
  say(`  done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function runCommand([program, ...args]) {
  if (program === undefined) return;
  const bin = path.join(root, 'node_modules', '.bin');
  const right = path.join(bin, 'node');
  const file = program === 'node' && existsSync(right) ? right : program;
  const child = spawn(file, program === 'node' ? ['--disable-warning=ExperimentalWarning', ...args] : args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  });
  // Passed on, because not everybody who ends us is a terminal that tells the whole group; the child takes two at once for one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => stop(`${file}: ${error.message}`, 'Run npm ci and try again.'));
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 130 : 1)));
}

function stop(what, fix) {
  say(`error  ${what}\n  fix  ${fix}`);
  process.exit(1);
}
