import type { Command } from 'commander';
import { z } from 'zod';
import { endpoints, streams } from '../../api/endpoints.ts';
import type { Look } from '../../evidence/statements/look.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { CliContext } from '../context.ts';
import { collect, parseNamed, readNamed, streamNamed } from '../input.ts';
import { serverKeys, show } from '../output.ts';
import { plain, type Paint } from '../terminal.ts';

const keysFile = z.object({ papers: z.unknown(), ledger: z.string() });
/** The newest look at the vulnerabilities of an image. */
function lookText({ at, worst, databaseAt }: Look, paint: Paint): string {
  const when = `Looked up on ${plain(at)}${databaseAt === undefined ? '' : `, in advisories of ${plain(databaseAt)}`}`;
  return worst === undefined ? `${when}: nothing is open.` : paint('yellow', `${when}: the worst that is open is ${worst}.`);
}

/** `waybill verify | images | keys | policy | ledger export | ledger verify | ledger checkpoint`. */
export function evidenceCommands(program: Command, context: CliContext): void {
  const keysFrom = async (file: string | undefined): Promise<{ papers: unknown; ledger: string }> => {
    if (file !== undefined) {
      const keys = keysFile.safeParse(await parseNamed(context.cwd, file, JSON.parse));
      if (keys.success) return keys.data;
      throw new WaybillError('INVALID_INPUT', `${file} holds no keys of papers and ledger`, { fix: 'waybill keys prints such a file.' });
    }
    context.note(serverKeys);
    return (await (await context.client()).call(endpoints.keys)) as { papers: unknown; ledger: string };
  };

  program
    .command('verify <image>')
    .description('Verify the papers of an image: signatures, subject, place in the ledger')
    .option('--keys <file>', 'public keys that you trust, from `waybill keys`; the server’s own otherwise')
    .action(async (image: string, options: { keys?: string }) => {
      // Loaded when it is needed: most commands shall not wait for the verifier.
      const { verifyImage } = await import('../verify-image.ts');
      const result = await verifyImage(context, image, await keysFrom(options.keys));
      if (!result.ok) context.exitWith(1);
      show(context, program, result, (paint, table) => [
        `${paint('bold', result.reference)}`,
        ...table(
          ['', 'PAPER', 'LEDGER', ''],
          result.papers.map((paper) => [
            paper.ok ? paint('green', '✔') : paint('red', '✘'),
            paper.predicateType,
            String(paper.ledgerIndex ?? ''),
            paper.detail,
          ]),
        ),
        ...(result.look ? [lookText(result.look, paint)] : []),
        ...result.missing.map((missing) => paint('red', `✘ missing: ${missing}`)),
        result.ok ? paint('green', '✔ This image has its papers.') : paint('red', '✘ This image does not have its papers.'),
      ]);
    });

  program
    .command('images')
    .description('Images that the gate admits')
    .action(async () => {
      const client = await context.client();
      const images = await client.call(endpoints.listImages);
      show(context, program, images, (paint, table) =>
        table(
          ['IMAGE', 'FROM', 'BY', 'LOOKED UP', 'WORST OPEN', 'VALID UNTIL'],
          images.map((i) => [
            `${new URL(client.url).host}/${i.repository}@${i.digest}`,
            i.imported ? plain(i.imported.reference) : (i.commit ?? '').slice(0, 12),
            i.imported ? `import ${i.imported.number}` : `run ${i.run}`,
            i.lookedAt ?? '',
            i.worst ?? '',
            i.validUntil,
          ]),
        ),
      );
    });

  program
    .command('keys')
    .description('Print the public keys of papers and ledger; pin them where they are trusted')
    .action(async () => context.out(JSON.stringify(await (await context.client()).call(endpoints.keys), null, 2)));
  program
    .command('policy')
    .description('Print the policies of all namespaces')
    .action(async () => context.out(JSON.stringify(await (await context.client()).call(endpoints.policy), null, 2)));

  const ledger = program.command('ledger').description('The append-only record of papers, verdicts and acts');
  ledger
    .command('export')
    .description('Print the whole ledger as NDJSON')
    .action(async () => {
      for await (const line of (await context.client()).lines(streams.ledger, context.signal)) context.out(line);
    });
  ledger
    .command('checkpoint')
    .description('Print the newest signed checkpoint; keep it elsewhere as a witness')
    .action(async () => context.out((await (await context.client()).call(endpoints.checkpoint)).checkpoint.trimEnd()));
  ledger
    .command('verify <file>')
    .description('Verify an exported ledger offline')
    .option('--keys <file>', 'public keys, from `waybill keys`; the server’s own otherwise')
    .option('--witness <file>', 'a checkpoint that was kept elsewhere; can be given again', collect, [])
    .action(async (file: string, options: { keys?: string; witness: string[] }) => {
      const keys = await keysFrom(options.keys);
      const witnessed = await Promise.all(options.witness.map((each) => readNamed(context.cwd, each)));
      const { verifyExport } = await import('../../ledger/verify.ts');
      const result = await verifyExport(streamNamed(context.cwd, file), { verifierKeys: [keys.ledger], witnessed });
      show(context, program, result, (paint) => [
        `${paint('green', '✔')} ${result.size} entries, ${result.checkpoints} checkpoints, root ${result.root}`,
        ...(result.uncovered > 0 ? [paint('yellow', `  ${result.uncovered} entries are younger than the last checkpoint.`)] : []),
      ]);
    });
}
