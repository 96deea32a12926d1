import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { show } from '../output.ts';

/** `waybill image inspect` and `waybill image diff`: of layouts and of references alike. */
export function imageReadCommands(image: Command, program: Command, context: CliContext): void {
  image
    .command('inspect <image>')
    .description(
      'Show an image: a reference, or LAYOUT[:NAME]; its platforms, configuration, layers, and its papers where a registry is asked',
    )
    .action(async (text: string) => {
      using stack = new DisposableStack();
      const { openImage } = await import('../open-image.ts');
      const { inspectImage } = await import('../../image/inspect/inspect-image.ts');
      const { descriptionLines } = await import('../show-image.ts');
      const description = await inspectImage(await openImage(context, text, stack));
      show(context, program, description, (paint, rows) => descriptionLines(description, paint, rows));
    });
  image
    .command('diff <a> <b>')
    .description(
      'Compare two images (references or LAYOUT[:NAME]): configuration, layers, and the files that differ; status 1 when they do',
    )
    .action(async (a: string, b: string) => {
      using stack = new DisposableStack();
      const { openImage } = await import('../open-image.ts');
      const { diffImages } = await import('../../image/diff/diff-images.ts');
      const { comparisonLines } = await import('../show-image.ts');
      const comparison = await diffImages(await openImage(context, a, stack), await openImage(context, b, stack), {
        signal: context.signal,
        onLayer: (platform, index) => context.note(`comparing layer ${index} of ${platform} …`),
      });
      show(context, program, comparison, (paint, rows) => comparisonLines(comparison, paint, rows));
      if (!comparison.same) context.exitWith(1);
    });
}
