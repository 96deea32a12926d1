import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import type { ImageScanOptions } from '../image-scan-options.ts';
import { addScanOptions, scanAction, tellScan, wholeNumber } from '../scan-output.ts';

/** `waybill scan image`. */
export function scanImageCommand(scan: Command, program: Command, context: CliContext): void {
  const command = scan
    .command('image <image>')
    .description('Look into an image, layer by layer: a reference, or LAYOUT[:NAME]')
    .option('--base <image>', 'only what is not in this image already counts as new: a reference, or LAYOUT[:NAME]')
    .option('--platform <platform>', 'one of its platforms, as linux/arm64; otherwise all of them')
    .option('--database <dir>', `where the advisories are (default: ${context.advisories})`)
    .option('--database-days <days>', 'how old the advisories may be', wholeNumber, 7)
    .option('--rules <file>', 'rules for credentials instead of those of this repository');
  addScanOptions(command, ['cyclonedx']).action(
    scanAction(async (image: string, options: ImageScanOptions) => {
      const [{ imageSbom, runImageScan }, { noDatabaseNote }] = await Promise.all([
        import('../scan-image.ts'),
        import('../scan-dependencies.ts'),
      ]);
      const scanned = await runImageScan(context, image, options);
      const cyclonedx = async () => imageSbom(context, scanned);
      await tellScan(context, program, options, scanned.report, scanned.verdict, { cyclonedx });
      if (scanned.missing.length === 0 || options.fail === 'report') return;
      context.note(noDatabaseNote(scanned.missing));
      context.exitWith(2);
    }),
  );
}
