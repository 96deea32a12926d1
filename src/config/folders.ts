import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Everything that one Waybill keeps, by name, below its data directory. */
export type Folders = {
  readonly data: string;
  readonly configFile: string;
  readonly storeFile: string;
  readonly masterKeyFile: string;
  readonly repositories: string;
  readonly registry: string;
  /** What is cached of other registries: can be fetched again, left out of backups. */
  readonly mirror: string;
  readonly logs: string;
  /** Keys of the signer; nothing but `waybill signer` opens it. */
  readonly signer: string;
  readonly admission: string;
  /** Advisories about libraries: brought again when they are lost, left out of backups. */
  readonly advisories: string;
  /** What scans of histories have looked at: made anew when it is lost, left out of backups. */
  readonly scans: string;
  /** Workspaces and builds: thrown away at a restart, left out of backups. */
  readonly work: string;
  readonly sockets: { readonly signer: string; readonly hooks: string; readonly control: string };
};

/** Longest path of a Unix socket that Linux and macOS both take, with room for the name. */
const socketPathLimit = 90;

export function foldersOf(data: string): Folders {
  const root = path.resolve(data);
  const near = path.join(root, 'run');
  // A deep data directory would make the sockets' paths too long; their folder is then a private one in the temporary directory.
  const sockets =
    near.length < socketPathLimit - 10
      ? near
      : path.join(tmpdir(), `waybill-${createHash('sha256').update(root).digest('hex').slice(0, 12)}`);
  return {
    data: root,
    configFile: path.join(root, 'waybill.json'),
    storeFile: path.join(root, 'store.sqlite'),
    masterKeyFile: path.join(root, 'master.key'),
    repositories: path.join(root, 'repositories'),
    registry: path.join(root, 'registry'),
    mirror: path.join(root, 'mirror'),
    logs: path.join(root, 'logs'),
    signer: path.join(root, 'signer'),
    admission: path.join(root, 'admission'),
    advisories: path.join(root, 'advisories'),
    scans: path.join(root, 'scans'),
    work: path.join(root, 'work'),
    sockets: {
      signer: path.join(sockets, 'signer.sock'),
      hooks: path.join(sockets, 'hooks.sock'),
      control: path.join(sockets, 'control.sock'),
    },
  };
}
