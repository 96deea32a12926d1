import type { Config } from '../config/config.ts';
import type { Names } from '../evidence/subjects.ts';

/** The server's address as people reach it. */
export function urlOf(config: Pick<Config, 'server'>): string {
  const { host, port, tls } = config.server;
  return (config.server.url ?? `http${tls ? 's' : ''}://${host}:${port}`).replace(/\/+$/, '');
}

/** `host:port` in references to images. */
export function registryNameOf(config: Pick<Config, 'server' | 'registry'>): string {
  return config.registry.name ?? new URL(urlOf(config)).host;
}

/** `host:port` where the server's own process reaches it: a proxy in front may speak TLS, or not be reachable from here. */
export function ownAddressOf({ server: { host, port } }: Pick<Config, 'server'>): string {
  const near = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `${near.includes(':') ? `[${near}]` : near}:${port}`;
}

/** How this Waybill names itself, its repositories and images in papers. */
export function namesOf(config: Pick<Config, 'server' | 'registry'>): Names {
  const url = urlOf(config);
  return {
    builderId: `${url}/builder`,
    repositoryUri: (repository) => `git+${url}/git/${repository}.git`,
    imageUri: (repository) => `oci://${registryNameOf(config)}/${repository}`,
  };
}
