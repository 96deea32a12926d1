import { randomUUID } from 'node:crypto';
import { link, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const beatMilliseconds = 5_000;
const staleMilliseconds = 60_000;

/**
 * One update of a folder at a time, over processes and hosts that share it: a file that its holder touches every few seconds. One that is not touched any more,
 * or whose process on this host is gone, is taken away. Should two hold it after all, nothing breaks: each writes files of its own, and renames.
 * @param onWait called once when somebody else holds it
 */
export async function lockUpdates(folder: string, signal: AbortSignal, onWait: () => void): Promise<AsyncDisposable> {
  const file = path.join(folder, 'update.lock');
  const mine = path.join(folder, `.lock-${randomUUID()}`);
  const content = JSON.stringify({ pid: process.pid, host: hostname(), token: randomUUID() });
  await writeFile(mine, content);
  try {
    for (let waited = false; ; waited = true) {
      signal.throwIfAborted();
      if (await linked(mine, file)) break;
      if (await isStale(file)) {
        await rm(file, { force: true });
        continue;
      }
      if (!waited) onWait();
      await sleep(100, undefined, { signal });
    }
  } finally {
    await rm(mine, { force: true });
  }
  // A beat that fails only makes the lock look older than it is.
  const beat = setInterval(() => void utimes(file, new Date(), new Date()).catch(() => undefined), beatMilliseconds);
  beat.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(beat);
      if ((await contentOf(file)) === content) await rm(file, { force: true });
    },
  };
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

async function isStale(file: string): Promise<boolean> {
  const text = await contentOf(file);
  if (text === undefined) return false;
  const age = Date.now() - (await ageOf(file));
  if (age > staleMilliseconds) return true;
  try {
    const holder: unknown = JSON.parse(text);
    if (typeof holder !== 'object' || holder === null || !('pid' in holder) || !('host' in holder)) return false;
    return holder.host === hostname() && typeof holder.pid === 'number' && !isAlive(holder.pid);
  } catch {
    // Not JSON: of another version; its age decides.
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

async function contentOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function ageOf(file: string): Promise<number> {
  try {
    return (await stat(file)).mtimeMs;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Date.now();
    throw error;
  }
}
