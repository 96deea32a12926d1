import { devNull } from 'node:os';

export const maxPushBytes = 2 * 1024 ** 3;

/** Programs are looked for here and nowhere else, whatever the server's own environment says. */
export const programPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin';

/**
 * Git's configuration for everything that this part starts. It goes in through the environment, where it wins over the
 * repository's own file, and a repository made by an older version needs no migration.
 */
const settings: readonly (readonly [key: string, value: string])[] = [
  ['safe.directory', '*'],
  ['protocol.version', '2'],
  ['core.hooksPath', 'hooks'],
  ['core.logAllRefUpdates', 'true'],
  ['core.fsync', 'committed,loose-object,reference'],
  // Bigger blobs are streamed to disk, not held in memory.
  ['core.bigFileThreshold', '32m'],
  ['http.receivepack', 'true'],
  ['http.uploadpack', 'true'],
  ['http.getanyfile', 'false'],
  ['uploadpack.allowFilter', 'true'],
  ['uploadpack.allowTipSHA1InWant', 'false'],
  ['uploadpack.allowReachableSHA1InWant', 'false'],
  ['uploadpack.allowAnySHA1InWant', 'false'],
  ['uploadarchive.allowUnreachable', 'false'],
  // Every ref of every push goes to the server for judgement (see proc-receive.ts), none is updated by git itself.
  ['receive.procReceiveRefs', 'refs'],
  ['receive.hideRefs', 'refs/changes'],
  ['receive.fsckObjects', 'true'],
  ['receive.advertisePushOptions', 'true'],
  ['receive.shallowUpdate', 'false'],
  ['receive.denyDeletes', 'true'],
  ['receive.maxInputSize', String(maxPushBytes)],
  ['receive.autogc', 'true'],
  ['gc.autoDetach', 'false'],
  ['maintenance.autoDetach', 'false'],
  ['gc.writeCommitGraph', 'true'],
  ['tar.umask', '0022'],
  ['merge.conflictStyle', 'merge'],
];

/** The whole environment of a git process: nothing comes from the server's own. */
export function gitEnvironment(path: string): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: path,
    HOME: devNull,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: devNull,
    GIT_ATTR_NOSYSTEM: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_COUNT: String(settings.length),
  };
  for (const [index, [key, value]] of settings.entries()) {
    environment[`GIT_CONFIG_KEY_${index}`] = key;
    environment[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  return environment;
}

/**
 * `info/attributes` of every repository. It has precedence over `.gitattributes` of a tree, so that what a tree says changes
 * neither the content of an archive (export-ignore, export-subst, end of lines, ident, filters) nor how a merge is made.
 */
export const repositoryAttributes =
  '* !export-ignore !export-subst !text !crlf !eol !ident !filter !working-tree-encoding !merge !conflict-marker-size\n';
