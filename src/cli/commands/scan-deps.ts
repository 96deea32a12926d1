import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import type { DependencyOptions } from '../dependency-options.ts';
import { collect } from '../input.ts';
import { addScanOptions, scanAction, tellScan, wholeNumber } from '../scan-output.ts';

/** `waybill scan deps`. */
export function scanDepsCommand(scan: Command, program: Command, context: CliContext): void {
  const command = scan
    .command('deps [path]')
    .description('Look the libraries of a folder, or of one lock file, up in the published advisories')
    .option('--base <commit>', 'only what is not in this commit already counts as new')
    .option('--all-files', 'in a Git work tree too: what Git ignores, such as node_modules')
    .option('--database <dir>', `where the advisories are (default: ${context.advisories})`)
    .option('--database-days <days>', 'how old the advisories may be', wholeNumber, 7)
    .option('--vex <file>', 'OpenVEX besides that of .waybill/vex; may be given again', collect, [])
    .option('--vex-out <file>', 'write what was found as OpenVEX, to go on from')
    .option('--vex-author <who>', "with --vex-out: who speaks (default: Git's user.email)");
  addScanOptions(command, ['cyclonedx']).action(
    scanAction(async (where: string | undefined, options: DependencyOptions) => {
      const { noDatabaseNote, runDependencyScan } = await import('../scan-dependencies.ts');
      const { report, verdict, inventory, tree, missing } = await runDependencyScan(context, where ?? '.', options);
      const cyclonedx = async () => {
        const { treeSbom } = await import('../tree-sbom.ts');
        return treeSbom(context, tree, { inventory, coverage: report.coverage, findings: report.findings });
      };
      await tellScan(context, program, options, report, verdict, { cyclonedx });
      if (missing.length === 0) return;
      context.note(noDatabaseNote(missing));
      context.exitWith(2);
    }),
  );
}
