import type { Place, ImageFinding } from '../finding.ts';
import type { Severity } from '../severity.ts';

/** What need not be in an image that runs, by its path. */
const shells = /^(?:usr\/(?:local\/)?)?s?bin\/(?:sh|bash|dash|ash|zsh|ksh|csh|tcsh|fish|busybox|toybox)$/;
const managers =
  /^(?:usr\/(?:local\/)?)?s?bin\/(?:apt|apt-get|aptitude|dpkg|apk|yum|dnf|microdnf|rpm|zypper|pacman|npm|yarn|pnpm|pip3?|gem|cargo)$|(?:^|\/)lib\/node_modules\/(?:npm\/bin\/npm-cli\.js|corepack\/dist\/corepack\.js)$|(?:^|\/)yarn-v[^/]+\/bin\/yarn\.js$/;

export type Habit = 'setuid' | 'setgid' | 'shell' | 'package-manager' | 'root-user';

/** Which habits an entry of the image's last state shows. */
export function habitsOf(path: string, mode: number): readonly Habit[] {
  return [
    ...((mode & 0o4000) !== 0 ? (['setuid'] as const) : (mode & 0o2000) !== 0 ? (['setgid'] as const) : []),
    ...(shells.test(path) ? (['shell'] as const) : []),
    ...(managers.test(path) ? (['package-manager'] as const) : []),
  ];
}

/** Whether a user of an image's configuration is root: nothing, `0`, `root`, with or without a group. */
export function isRoot(user: string | undefined): boolean {
  const name = (user ?? '').split(':')[0] ?? '';
  return name === '' || name === 'root' || /^0+$/.test(name);
}

const words: Readonly<Record<Habit, { readonly severity: Severity; title(path: string): string; readonly fix: string }>> = {
  setuid: {
    severity: 'medium',
    title: (path) => `${path} runs as its owner, whoever starts it (set-uid)`,
    fix: 'Take the bit or the program away, or run with allowPrivilegeEscalation: false.',
  },
  setgid: {
    severity: 'low',
    title: (path) => `${path} runs with its group, whoever starts it (set-gid)`,
    fix: 'Take the bit or the program away, or run with allowPrivilegeEscalation: false.',
  },
  shell: {
    severity: 'low',
    title: (path) => `There is a shell: ${path}`,
    fix: 'Build on a base without one, when nothing in the image needs it.',
  },
  'package-manager': {
    severity: 'low',
    title: (path) => `There is a package manager: ${path}`,
    fix: 'Build on a base without one, or take it away in the last step.',
  },
  'root-user': {
    severity: 'medium',
    title: () => 'It runs as root',
    fix: 'Set config.user, or USER in the Dockerfile, to a number other than 0.',
  },
};

export function habitFinding(habit: Habit, place: Place): ImageFinding {
  const { severity, title, fix } = words[habit];
  return {
    kind: 'image',
    key: `image:${habit}:${place.path}`,
    rule: habit,
    severity,
    title: title(`/${place.path}`),
    fix,
    places: [place],
  };
}
