import type { Secret } from '../kernel/secret.ts';

/** A login at one registry. `server` is a host, or Docker Hub's URL. */
export type DockerLogin = { readonly server: string; readonly username: string; readonly password: Secret; readonly email?: string };

/** What container tools take when no server is named. */
export const dockerHub = 'https://index.docker.io/v1/';

/**
 * The content of a Docker `config.json` with these logins, and of a Secret of type `kubernetes.io/dockerconfigjson`: byte for byte what kubectl
 * writes for one. Holds passwords in plain: never print it.
 */
export function dockerConfig(logins: readonly DockerLogin[]): string {
  const auths = Object.fromEntries(
    logins.map(({ server, username, password, email }) => {
      const text = password.reveal();
      const auth = Buffer.from(`${username}:${text}`).toString('base64');
      return [
        server,
        {
          ...(username === '' ? {} : { username }),
          ...(text === '' ? {} : { password: text }),
          ...(email === undefined || email === '' ? {} : { email }),
          auth,
        },
      ];
    }),
  );
  return JSON.stringify({ auths }).replaceAll(/[<>&\u2028\u2029]/g, escaped);
}

/** As Go's JSON writes what HTML and JavaScript would take for something else. */
function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
