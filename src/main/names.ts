import type { Config } from '../config/config.ts';
import type { Names } from '../evidence/subjects.ts';

/** The server's address as people reach it. */
export function urlOf(config: Pick<Config, 'server'>): string {
  return (config.server.url ?? `http://${config.server.host}:${config.server.port}`).replace(/\/+$/, '');
}

/** `host:port` in references to images. */
export function registryNameOf(config: Pick<Config, 'server' | 'registry'>): string {
  return config.registry.name ?? new URL(urlOf(config)).host;
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
