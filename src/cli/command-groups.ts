import type { Command } from 'commander';
import type { CliContext } from './context.ts';

/** A module that adds the commands with these first words to the program, or adds to them. */
export type CommandGroup = {
  readonly words: readonly string[];
  load(): Promise<(program: Command, context: CliContext) => unknown>;
};

/** In the order of the help. Only the group of the word that was typed is loaded: reading all of them takes as long as a small scan. */
export const commandGroups: readonly CommandGroup[] = [
  {
    words: ['init', 'server', 'signer', 'backup', 'restore', 'admission'],
    load: async () => (await import('./commands/processes.ts')).processCommands,
  },
  { words: ['login', 'logout', 'whoami'], load: async () => (await import('./commands/login.ts')).loginCommands },
  { words: ['user', 'token', 'repo', 'advisories', 'environment'], load: async () => (await import('./commands/admin.ts')).adminCommands },
  { words: ['lint', 'schema'], load: async () => (await import('./commands/lint.ts')).lintCommands },
  { words: ['run'], load: async () => (await import('./commands/run.ts')).runCommand },
  { words: ['image'], load: async () => (await import('./commands/image.ts')).imageCommands },
  { words: ['change'], load: async () => (await import('./commands/changes.ts')).changeCommands },
  { words: ['runs'], load: async () => (await import('./commands/runs.ts')).runsCommands },
  { words: ['verify', 'images', 'keys', 'policy', 'ledger'], load: async () => (await import('./commands/evidence.ts')).evidenceCommands },
  { words: ['admit', 'admission'], load: async () => (await import('./commands/admission.ts')).admissionCommands },
  { words: ['pull-secret'], load: async () => (await import('./commands/pull-secret.ts')).pullSecretCommands },
  { words: ['registry'], load: async () => (await import('./commands/registry.ts')).registryCommands },
  { words: ['audit'], load: async () => (await import('./commands/audit.ts')).auditCommands },
  { words: ['scan'], load: async () => (await import('./commands/scan.ts')).scanCommands },
  { words: ['hook'], load: async () => (await import('./commands/hook.ts')).hookCommands },
  { words: ['sbom'], load: async () => (await import('./commands/sbom.ts')).sbomCommand },
  { words: ['db'], load: async () => (await import('./commands/database.ts')).databaseCommands },
  { words: ['trace'], load: async () => (await import('./commands/trace.ts')).traceCommands },
  { words: ['where'], load: async () => (await import('./commands/where.ts')).whereCommand },
];

/** The groups that know the word; all of them for whatever is no command, since help and suggestions are about all. */
export function groupsOf(word: string | undefined): readonly CommandGroup[] {
  if (word === '--version' || word === '-V') return [];
  const known = commandGroups.filter(({ words }) => word !== undefined && words.includes(word));
  return known.length > 0 ? known : commandGroups;
}
