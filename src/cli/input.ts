import { createReadStream, type ReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { WaybillError, messageOf } from '../kernel/error.ts';

/** What people write on the command line and into the files that they name: parsed once, and told in words where it is wrong. */

/** For an option that can be given again. */
export function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

/** @throws WaybillError INVALID_INPUT: also for `12x`, which parseInt would take for 12 */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 100))} is no whole number`);
  return Number(text);
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/** `500MB`, `20 GiB`, `1000000`: in bytes. @throws WaybillError INVALID_INPUT */
export function byteSize(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,12}(?:\.\d{1,3})?) ?([A-Za-z]{0,3})$/.exec(text) ?? [];
  const factor = units[unit.toUpperCase()];
  if (number === '' || factor === undefined)
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 100))} is no size`, {
      fix: 'Write it as 500MB, 20GB or 20GiB.',
    });
  return Math.round(Number(number) * factor);
}

/** @throws WaybillError INVALID_INPUT */
export function portNumber(text: string): number {
  const port = wholeNumber(text);
  if (port > 65535) throw new WaybillError('INVALID_INPUT', `the port ${port} is above 65535`);
  return port;
}

/** @throws WaybillError INVALID_INPUT */
export function webAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url;
  throw new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 200))} is no URL`, { fix: 'Write it as https://HOST:PORT.' });
}

/** @throws WaybillError NOT_FOUND, INVALID_INPUT with the name as it was given */
export async function readNamed(cwd: string, file: string): Promise<string> {
  return readFile(path.resolve(cwd, file), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(file, cause);
  });
}

/** A file of any size, piece by piece. @throws WaybillError NOT_FOUND, INVALID_INPUT when it is read */
export async function* streamNamed(cwd: string, file: string): AsyncGenerator<string> {
  const stream: ReadStream = createReadStream(path.resolve(cwd, file), { encoding: 'utf8' });
  try {
    for await (const piece of stream) yield String(piece);
  } catch (cause) {
    throw unreadable(file, cause as NodeJS.ErrnoException);
  }
}

/** @param parse of JSON or YAML @throws WaybillError NOT_FOUND, INVALID_INPUT */
export async function parseNamed(cwd: string, file: string, parse: (text: string) => unknown): Promise<unknown> {
  const text = await readNamed(cwd, file);
  try {
    return parse(text);
  } catch (cause) {
    throw new WaybillError('INVALID_INPUT', `${file} cannot be read: ${messageOf(cause).split('\n')[0]}`, { cause });
  }
}

function unreadable(file: string, cause: NodeJS.ErrnoException): WaybillError {
  if (cause.code === 'ENOENT') return new WaybillError('NOT_FOUND', `${file}: there is no such file`, { cause });
  return new WaybillError('INVALID_INPUT', `${file}: ${cause.message}`, { cause });
}
