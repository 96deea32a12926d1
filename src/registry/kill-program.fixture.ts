const fileOf = (name: string) => JSON.stringify(new URL(`./${name}`, import.meta.url).href);

/**
 * A program for a process of its own: opens a registry in the folder argv[1], changes everything, and ends itself with SIGKILL at the
 * argv[2]-th call that changes the disk, before or after it. Writes what was acknowledged, a line of JSON each; at the end, when it comes
 * that far, how many calls there were.
 */
export const killProgram = `
  import { promises, writeSync } from 'node:fs';
  import { syncBuiltinESMExports } from 'node:module';
  import { StatementSync } from 'node:sqlite';

  const folder = process.argv[1];
  const killAt = Number(process.argv[2]);
  const say = (line) => writeSync(1, JSON.stringify(line) + '\\n');
  let calls = 0;
  let counting = false;

  function point(name) {
    if (!counting) return;
    calls += 1;
    if (calls !== killAt) return;
    say({ killed: name });
    process.kill(process.pid, 'SIGKILL');
  }

  function around(owner, name, more) {
    const real = Reflect.get(owner, name);
    Reflect.set(owner, name, async function (...given) {
      const shown = name + ' ' + (typeof given[0] === 'string' ? given[0].slice(folder.length) : '');
      point('before ' + shown);
      const result = await real.apply(this, given);
      point('after ' + shown);
      more?.(result);
      return result;
    });
  }

  for (const name of ['rename', 'rm', 'writeFile', 'mkdir']) around(promises, name);
  let handles;
  around(promises, 'open', (handle) => {
    if (handles) return;
    handles = Object.getPrototypeOf(handle);
    for (const name of ['writev', 'sync', 'datasync', 'close']) around(handles, name);
  });
  const run = StatementSync.prototype.run;
  StatementSync.prototype.run = function (...given) {
    const changes = /^(?:commit|insert|update|delete)/i.test(this.sourceSQL);
    if (changes) point('before ' + this.sourceSQL.slice(0, 40));
    const result = run.apply(this, given);
    if (changes) point('after ' + this.sourceSQL.slice(0, 40));
    return result;
  };
  syncBuiltinESMExports();

  const { startTestRegistry } = await import(${fileOf('registry.fixture.ts')});
  const { changeEverything } = await import(${fileOf('workload.fixture.ts')});
  const server = await startTestRegistry({ folder, deletion: true });
  counting = true;
  await changeEverything(server, say);
  say({ calls });
  process.exit(0);
`;
