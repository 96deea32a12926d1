import { readFile, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import { WaybillError, messageOf } from '../kernel/error.ts';
import type { Logger } from '../kernel/logger.ts';
import { registryServerOptions } from '../registry/limits.ts';

export type TlsFiles = { readonly cert: string; readonly key: string };

/**
 * A server with the given certificate chain and key (PEM), which are read again when their files change: a renewed certificate needs no restart.
 * New files that do not fit together are told and passed over; the old ones go on. Disposing it ends the watching, not the server.
 * @throws WaybillError INVALID_INPUT when the files cannot be used
 */
export async function openTlsServer(
  files: TlsFiles,
  options: { readonly logger: Logger; readonly everyMs?: number },
): Promise<Disposable & { readonly server: Server }> {
  const first = await load(files);
  const server = createServer({
    ...registryServerOptions,
    handshakeTimeout: registryServerOptions.headersTimeout,
    minVersion: 'TLSv1.2',
    cert: first.cert,
    key: first.key,
  });
  let present = first.stamp;
  const look = async () => {
    try {
      if ((await stampOf(files)) === present) return;
      const { cert, key, stamp } = await load(files);
      server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' });
      present = stamp;
      options.logger.info({ cert: files.cert }, 'the certificate was read again');
    } catch (error) {
      options.logger.error({ error: messageOf(error) }, 'the new certificate cannot be used; the old one goes on');
    }
  };
  const timer = setInterval(() => void look(), options.everyMs ?? 60_000);
  timer.unref();
  return { server, [Symbol.dispose]: () => clearInterval(timer) };
}

async function load(files: TlsFiles): Promise<{ cert: Buffer; key: Buffer; stamp: string }> {
  try {
    const stamp = await stampOf(files);
    const [cert, key] = await Promise.all([readFile(files.cert), readFile(files.key)]);
    createSecureContext({ cert, key });
    return { cert, key, stamp };
  } catch (cause) {
    throw new WaybillError('INVALID_INPUT', `server.tls of waybill.json: ${messageOf(cause)}`, {
      cause,
      fix: 'Name a certificate chain and its key, both PEM, that this user can read.',
    });
  }
}

async function stampOf({ cert, key }: TlsFiles): Promise<string> {
  const infos = await Promise.all([stat(cert), stat(key)]);
  return infos.map(({ ino, size, mtimeMs }) => `${ino}:${size}:${mtimeMs}`).join(' ');
}
