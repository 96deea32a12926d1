import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { endpoints } from '../../api/endpoints.ts';
import type { Client } from '../../api/client.ts';
import type { ReplyOf } from '../../api/endpoint.ts';
import { lookCell, lookLines } from '../../api/look-text.ts';
import { scanReport } from '../../api/scan-report.ts';
import { signaturesText } from '../../evidence/upstream/signatures-text.ts';
import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import type { CliContext } from '../context.ts';
import { wholeNumber } from '../input.ts';
import { show } from '../output.ts';
import { badge, plain, type Paint } from '../terminal.ts';

type Import = ReplyOf<typeof endpoints.requestImport>;

/** `waybill image import | imports | look | scan-of | approve | reject`: third-party images, as a reviewed act. */
export function imageImportCommands(image: Command, program: Command, context: CliContext): void {
  image
    .command('import <reference>')
    .description('Ask for a third-party image: the digest that the reference names now, for others to vouch for')
    .requiredOption('--reason <text>', 'what it is for')
    .option('--as <name>', 'its name under import/ in the registry (default: its upstream registry and repository)')
    .action(async (reference: string, options: { reason: string; as?: string }) => {
      const body = { reference, reason: options.reason, ...(options.as === undefined ? {} : { as: options.as }) };
      const made = await (await context.client()).call(endpoints.requestImport, { body });
      show(context, program, made, () => [
        `Import ${made.id}: ${plain(made.reference)} is ${made.digest} now.`,
        ...signatureLines(made),
        `The server looks into it; what it finds: waybill image scan-of ${made.id}`,
        `Somebody else vouches for it: waybill image approve ${made.id}`,
      ]);
    });
  image
    .command('imports')
    .description('Third-party images that were asked for')
    .action(async () => {
      const all = await (await context.client()).call(endpoints.listImports);
      show(context, program, all, (paint, table) =>
        table(
          ['IMPORT', 'STATE', 'REFERENCE', 'DIGEST', 'SIGNED', 'FOUND', 'BY', 'APPROVED BY', 'REASON'],
          all.map((each) => [
            String(each.id),
            badge(paint, each.state),
            plain(each.reference),
            `${each.digest.slice(0, 19)}…`,
            signedCell(paint, each),
            plain(lookCell(each.look)),
            each.requestedBy,
            each.approvals.map((approval) => approval.reviewer).join(', '),
            plain(each.why ?? each.reason).slice(0, 80),
          ]),
        ),
      );
    });
  image
    .command('approve <import>')
    .description('Vouch for an import, which must be somebody else’s; with enough approvals it is copied and signed')
    .action(async (number: string) => {
      const client = await context.client();
      const asked = (await client.call(endpoints.listImports)).find((each) => each.id === wholeNumber(number));
      for (const line of asked ? [...signatureLines(asked), ...lookLines(asked.look).map(plain)] : []) context.note(line);
      const approved = await client.call(endpoints.approveImport, { params: { id: wholeNumber(number) } });
      const done = approved.state === 'approved' ? await copied(client, approved, context) : approved;
      show(context, program, done, (paint) => told(done, paint, new URL(client.url).host));
    });
  image
    .command('scan-of <import>')
    .description('What scanners found in an import, before it is copied and when it was, as Markdown')
    .action(async (number: string) => {
      const client = await context.client();
      const view = await client.call(endpoints.showImportScan, { params: { id: wholeNumber(number) } });
      const asked = (await client.call(endpoints.listImports)).find((each) => each.id === wholeNumber(number));
      show(context, program, view, () => [
        ...(asked
          ? [`${plain(asked.reference)} is ${asked.digest}.`, ...signatureLines(asked), ...lookLines(asked.look).map(plain), '']
          : []),
        ...scanReport([view]).split('\n').map(plain),
      ]);
    });
  image
    .command('look <import>')
    .description('Have the server look into an import again that waits for approvals: the last look failed, or is old')
    .action(async (number: string) => {
      const asked = await (await context.client()).call(endpoints.lookIntoImport, { params: { id: wholeNumber(number) } });
      show(context, program, asked, () => [`The server looks into it; what it finds: waybill image scan-of ${asked.id}`]);
    });
  image
    .command('reject <import>')
    .description('Reject an import')
    .option('--why <text>', 'for whoever asked', '')
    .action(async (number: string, { why }: { why: string }) => {
      const done = await (await context.client()).call(endpoints.rejectImport, { params: { id: wholeNumber(number) }, body: { why } });
      show(context, program, done, () => [`Import ${done.id} is rejected.`]);
    });
  image
    .command('update')
    .description('What is newer: bases of the checkout whose tag has moved, and imported images whose upstream has')
    .option('--write', 'write the newer digests of bases into the files of the checkout', false)
    .option('--request', 'ask for the newer digests of imported images; others vouch for them', false)
    .option('--reason <text>', 'for the requests', 'the tag names a newer image')
    .action(async (options: { write: boolean; request: boolean; reason: string }) => update(program, context, options));
}

async function update(program: Command, context: CliContext, options: { write: boolean; request: boolean; reason: string }): Promise<void> {
  const { findBaseUpdates, writeBaseUpdates } = await import('../base-updates.ts');
  const bases = await findBaseUpdates(context).catch((error: unknown) => {
    // Outside of a checkout there are still imports to look at.
    if (isWaybillError(error, 'NOT_FOUND')) return { moved: [], unknown: [error.detail], current: 0 };
    throw error;
  });
  const client = await context.client().catch((error: unknown) => {
    if (isWaybillError(error, 'UNAUTHENTICATED')) return undefined;
    throw error;
  });
  const imports = (await client?.call(endpoints.listImportUpdates)) ?? { updates: [], unknown: ['no server: imports were not looked at'] };
  if (options.write) await writeBaseUpdates(context.cwd, bases.moved);
  const requested: Import[] = [];
  if (client && options.request)
    for (const { reference } of imports.updates.filter((each) => each.requested === undefined))
      requested.push(await client.call(endpoints.requestImport, { body: { reference, reason: options.reason } }));
  show(context, program, { bases, imports, requested, written: options.write }, (paint, table) => [
    ...table(
      ['WHAT', 'REFERENCE', 'FROM', 'TO', ''],
      [
        ...bases.moved.map(({ file, written, from, to }) => [
          `base in ${file}`,
          plain(written.split('@')[0] ?? ''),
          from.slice(0, 19),
          paint('yellow', to.slice(0, 19)),
          options.write ? 'written; propose it as a change' : '--write writes it',
        ]),
        ...imports.updates.map(({ import: number, reference, from, to, requested: before }) => {
          const now = requested.find((each) => each.reference === reference)?.id ?? before;
          return [
            `import ${number}`,
            plain(reference),
            from.slice(0, 19),
            paint('yellow', to.slice(0, 19)),
            now === undefined ? '--request asks for it' : `waybill image approve ${now}`,
          ];
        }),
      ],
    ),
    ...[...bases.unknown, ...imports.unknown].map((line) => `${paint('yellow', 'not known')}  ${plain(line)}`),
    ...(bases.moved.length + imports.updates.length === 0 ? ['Nothing that could be asked is newer.'] : []),
  ]);
}

/** Waits until the server has copied it. @throws WaybillError REGISTRY_FAILED with what kept it */
async function copied(client: Client, approved: Import, context: CliContext): Promise<Import> {
  context.note(`Approved; the server copies ${plain(approved.reference)} …`);
  for (;;) {
    await sleep(500, undefined, { signal: context.signal });
    const now = (await client.call(endpoints.listImports)).find((each) => each.id === approved.id);
    if (now?.state === 'imported') return now;
    if (now?.why !== undefined && now.why !== approved.why)
      throw new WaybillError('REGISTRY_FAILED', `import ${approved.id} is approved, and could not be copied: ${now.why}`, {
        fix: `Mend that, and try again: waybill image approve ${approved.id}`,
      });
  }
}

function told(done: Import, paint: Paint, registry: string): string[] {
  if (done.state !== 'imported') return [`Import ${done.id} has ${done.approvals.length} approvals and needs more.`];
  return [
    `${paint('green', '✔')} ${registry}/${done.repository}@${done.digest}`,
    ...signatureLines(done),
    `Manifests that say ${plain(done.reference)} are deployed with this digest.`,
  ];
}

/** What approvers must know before they vouch. */
function signatureLines({ signatures }: Import): string[] {
  if (!signatures) return ['Signatures of the upstream: nobody has looked.'];
  return [`Signatures of the upstream: ${plain(signaturesText(signatures))}.`];
}

function signedCell(paint: Paint, { signatures }: Import): string {
  if (!signatures) return '-';
  const { outcome } = signatures;
  return outcome === 'verified' ? paint('green', outcome) : outcome === 'bad' ? paint('red', outcome) : outcome;
}
