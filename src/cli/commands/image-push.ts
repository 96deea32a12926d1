import type { Command } from 'commander';
import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import { parseReference } from '../../oci/reference.ts';
import type { CliContext } from '../context.ts';
import { show } from '../output.ts';

/** `waybill image push LAYOUT[:NAME] REF`: to any registry but Waybill's own, with the user's own login. */
export function imagePushCommand(image: Command, program: Command, context: CliContext): void {
  image
    .command('push <layout> <reference>')
    .description('Push an image of a layout to a registry that you are logged in at (docker login, podman login)')
    .action(async (text: string, target: string) => {
      const { layoutPath } = await import('../open-image.ts');
      const { readLayoutImage } = await import('../../image/inspect/image-reader.ts');
      const { connectTo } = await import('../registry-connection.ts');
      const { size } = await import('../show-image.ts');
      const from = layoutPath(context.cwd, text);
      if (!from)
        throw new WaybillError('NOT_FOUND', `${text} is no OCI layout`, {
          fix: 'waybill image build makes one; its path is printed there.',
        });
      const reader = await readLayoutImage(from.folder, from.name);
      const reference = parseReference(target);
      if (reference.digest !== undefined && reference.digest !== reader.top.digest)
        throw new WaybillError('INVALID_INPUT', `${reader.name} is ${reader.top.digest}, not ${reference.digest}`);
      const connection = await connectTo(context, reference);
      using client = connection.client;
      if (connection.own) throw ownRegistry(target);
      const tag = reference.tag ?? (reference.digest === undefined ? 'latest' : undefined);
      const started = performance.now();
      let done = 0;
      const pushed = await client
        .pushLayout(from.folder, reader.top.digest, connection.repository, {
          ...(tag === undefined ? {} : { tag }),
          signal: context.signal,
          onProgress: ({ blob, size: bytes, status }) => {
            done += status === 'copied' ? bytes : 0;
            context.note(`${blob.slice(0, 19)}  ${size(bytes)}  ${status === 'copied' ? 'pushed' : 'is there already'}`);
          },
        })
        .catch((error: unknown) => {
          throw isWaybill(error) ? ownRegistry(target) : error;
        });
      const result = {
        reference: `${client.registry}/${connection.repository}@${pushed.digest}`,
        digest: pushed.digest,
        ...(tag === undefined ? {} : { tag }),
        bytes: done,
      };
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      show(context, program, result, (paint) => [
        `${paint('green', '✔')} ${result.reference}${tag === undefined ? '' : `  (${tag})`}  ${size(done)} in ${seconds} s`,
      ]);
    });
}

function ownRegistry(target: string): WaybillError {
  return new WaybillError(
    'FORBIDDEN',
    `${target} is in Waybill's own registry, to which nobody pushes but a run: what is there has papers`,
    {
      fix: 'Propose the change; the run of its merge builds the image, pushes it and has its papers signed.',
    },
  );
}

/** Waybill's registry says in its refusal who it is. */
function isWaybill(error: unknown): boolean {
  return isWaybillError(error) && /only (?:a )?runs? (?:may )?push|nobody pushes/i.test(error.detail);
}
