import type { Command } from 'commander';
import type { BodyOf } from '../../api/endpoint.ts';
import { endpoints } from '../../api/endpoints.ts';
import type { CliContext } from '../context.ts';
import { readNamed, wholeNumber } from '../input.ts';
import { show } from '../output.ts';
import { plain } from '../terminal.ts';

/** `waybill image trust …`: whose signatures count for third-party images. */
export function imageTrustCommands(image: Command, program: Command, context: CliContext): void {
  const trust = image.command('trust').description('Whose signatures are trusted for third-party images');
  trust
    .command('add <images>')
    .description('Trust a key for images of a pattern of registry and repository, such as docker.io/library/*')
    .requiredOption('--key <file>', 'the public key of the upstream, PEM, such as cosign.pub')
    .option('--required', 'refuse to import such an image without a signature by a trusted key', false)
    .option('--signed-as <pattern>', 'take signatures for these names, too: those of the origin, when the images come from a mirror')
    .action(async (images: string, options: { key: string; required: boolean; signedAs?: string }) => {
      const body = {
        images,
        publicKey: await readNamed(context.cwd, options.key),
        required: options.required,
        ...(options.signedAs === undefined ? {} : { signedAs: options.signedAs }),
      } satisfies BodyOf<typeof endpoints.addUpstreamTrust>;
      const added = await (await context.client()).call(endpoints.addUpstreamTrust, { body });
      show(context, program, added, () => [
        `Signatures by the key ${added.keyId.slice(0, 16)}… are trusted for ${plain(added.images)}${added.required ? ', and required' : ''}.`,
      ]);
    });
  trust
    .command('list')
    .description('Keys that are trusted, and for which images')
    .action(async () => {
      const all = await (await context.client()).call(endpoints.listUpstreamTrust);
      show(context, program, all, (_, table) =>
        table(
          ['TRUST', 'IMAGES', 'KEY', 'REQUIRED', 'SIGNED AS', 'BY', 'SINCE'],
          all.map((each) => [
            String(each.id),
            plain(each.images),
            `${each.keyId.slice(0, 16)}…`,
            each.required ? 'yes' : 'no',
            plain(each.signedAs ?? '-'),
            each.addedBy,
            each.addedAt.slice(0, 10),
          ]),
        ),
      );
    });
  trust
    .command('remove <trust>')
    .description('Trust a key no more; what was imported stays')
    .action(async (number: string) => {
      const gone = await (await context.client()).call(endpoints.removeUpstreamTrust, { params: { id: wholeNumber(number) } });
      show(context, program, gone, () => [`The key ${gone.keyId.slice(0, 16)}… is not trusted for ${plain(gone.images)} any more.`]);
    });
}
