import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { scanAction } from '../scan-output.ts';

type SbomFlags = { readonly output?: string; readonly allFiles?: true };
const mostNotes = 20;

/** `waybill sbom`. */
export function sbomCommand(program: Command, context: CliContext): void {
  program
    .command('sbom [path]')
    .description('List the libraries of a folder, or of one lock file, as CycloneDX 1.6')
    .option('--output <file>', 'write it there instead of to standard output')
    .option('--all-files', 'in a Git work tree too: what Git ignores, such as node_modules')
    .action(
      scanAction(async (where: string | undefined, { output, allFiles }: SbomFlags) => {
        const [{ scannedTree, tellEmpty }, { readInventory }, { treeSbom }, { isGap }] = await Promise.all([
          import('../scanned-tree.ts'),
          import('../../scan/dependencies/read-inventory.ts'),
          import('../tree-sbom.ts'),
          import('../../scan/coverage.ts'),
        ]);
        const tree = await scannedTree(context, where ?? '.', allFiles === true);
        const { inventory, coverage } = await readInventory({ source: tree.source, signal: context.signal });
        tellEmpty(context, where ?? '.', coverage, tree);
        const gaps = coverage.skipped.filter(isGap);
        for (const { path: file, detail } of gaps.slice(0, mostNotes)) context.note(`not read: ${file}: ${detail}`);
        if (gaps.length > mostNotes) context.note(`and ${(coverage.gapCount ?? gaps.length) - mostNotes} more that were not read`);
        const text = await treeSbom(context, tree, { inventory, coverage });
        if (output === undefined) context.out(text);
        else await writeFile(path.resolve(context.cwd, output), `${text}\n`);
      }),
    );
}
