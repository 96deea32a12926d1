import type { Command } from 'commander';
import type { BodyOf, ReplyOf } from '../../api/endpoint.ts';
import { endpoints } from '../../api/endpoints.ts';
import type { CliContext } from '../context.ts';
import { readNamed, wholeNumber } from '../input.ts';
import { show } from '../output.ts';
import { plain } from '../terminal.ts';

type TrustOptions = { key?: string; identity?: string; issuer?: string; trustedRoot?: string; required: boolean; signedAs?: string };

/** `waybill image trust …`: whose signatures count for third-party images. */
export function imageTrustCommands(image: Command, program: Command, context: CliContext): void {
  const trust = image.command('trust').description('Whose signatures are trusted for third-party images');
  trust
    .command('add <images>')
    .description('Trust a key or an identity for images of a pattern of registry and repository, such as docker.io/library/*')
    .option('--key <file>', 'the public key of the upstream, PEM, such as cosign.pub')
    .option('--identity <text>', 'without a key: the subject of the certificates; * at its end stands for any end')
    .option('--issuer <url>', 'who has seen the identity, such as https://token.actions.githubusercontent.com')
    .option('--trusted-root <file>', 'whose certificates and logs count: the trusted root of Sigstore, or of a company')
    .option('--required', 'refuse to import such an image without a signature by a trusted key', false)
    .option('--signed-as <pattern>', 'take signatures for these names, too: those of the origin, when the images come from a mirror')
    .action(async (images: string, options: TrustOptions) => {
      const body = {
        images,
        ...(options.key === undefined ? {} : { publicKey: await readNamed(context.cwd, options.key) }),
        ...(options.identity === undefined ? {} : { identity: options.identity }),
        ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
        ...(options.trustedRoot === undefined ? {} : { trustedRoot: await readNamed(context.cwd, options.trustedRoot) }),
        required: options.required,
        ...(options.signedAs === undefined ? {} : { signedAs: options.signedAs }),
      } satisfies BodyOf<typeof endpoints.addUpstreamTrust>;
      const added = await (await context.client()).call(endpoints.addUpstreamTrust, { body });
      show(context, program, added, () => [
        `Signatures by ${whoOf(added)} are trusted for ${plain(added.images)}${added.required ? ', and required' : ''}.`,
      ]);
    });
  trust
    .command('list')
    .description('Keys that are trusted, and for which images')
    .action(async () => {
      const all = await (await context.client()).call(endpoints.listUpstreamTrust);
      show(context, program, all, (_, table) =>
        table(
          ['TRUST', 'IMAGES', 'SIGNED BY', 'REQUIRED', 'SIGNED AS', 'ADDED BY', 'SINCE'],
          all.map((each) => [
            String(each.id),
            plain(each.images),
            whoOf(each),
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
      show(context, program, gone, () => [`Signatures by ${whoOf(gone)} are not trusted for ${plain(gone.images)} any more.`]);
    });
}

function whoOf({ keyId, identity, issuer }: ReplyOf<typeof endpoints.addUpstreamTrust>): string {
  return identity === undefined ? `the key ${keyId.slice(0, 16)}…` : plain(`${identity} (${issuer ?? ''})`);
}
