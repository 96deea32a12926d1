/**
 * Credentials, by other people's examples: files of JSON lines in the folder that VECTORS names, each `{"rule", "kind": "tp" | "fp", "text", "path"?}`: a text in which something must be
 * found, or one in which nothing may be. Prints what Waybill and, where it is there, gitleaks make of the same files, and every example that Waybill judges otherwise. The examples
 * themselves are not part of this project: they are other projects' test data, under their licences.
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';

const vector = z.object({ rule: z.string(), kind: z.enum(['tp', 'fp']), text: z.string(), path: z.string().default('example.txt') });
type Vector = z.output<typeof vector>;
type Found = ReadonlyMap<number, ReadonlySet<string>>;

const work = mkdtempSync(join(tmpdir(), 'bench-vectors-'));
const numberOf = (file: string) => Number(/(?:^|\/)n(\d+)\//.exec(file)?.[1] ?? -1);

function gathered(hits: Iterable<readonly [file: string, rule: string]>): Found {
  const found = new Map<number, Set<string>>();
  for (const [file, rule] of hits) found.set(numberOf(file), (found.get(numberOf(file)) ?? new Set()).add(rule));
  return found;
}

async function ours(folder: string): Promise<Found> {
  // One finding has a hundred places at most, and is the same for equal values: a file at a time is what a person would see.
  const found = new Map<number, Set<string>>();
  const { builtInRuleSet } = await import('../src/scan/secrets/repository-rules.ts');
  const { scanSecrets } = await import('../src/scan/secrets/scan-secrets.ts');
  const { folderSource } = await import('../src/scan/folder-source.ts');
  const { systemClock } = await import('../src/kernel/clock.ts');
  for (const name of readdirSync(folder)) {
    const report = await scanSecrets({
      source: folderSource(join(folder, name)),
      rules: builtInRuleSet(),
      salt: '0'.repeat(32),
      clock: systemClock,
      scanner: 'bench',
      signal: AbortSignal.timeout(60_000),
    });
    for (const finding of report.findings)
      if (finding.kind === 'secret') {
        const number = numberOf(`${name}/`);
        found.set(number, (found.get(number) ?? new Set()).add(finding.rule));
      }
  }
  return found;
}

async function theirs(folder: string): Promise<Found | undefined> {
  const file = join(work, 'theirs.json');
  const args = ['dir', folder, '--no-banner', '--exit-code', '0', '-f', 'json', '-r', file];
  const { failed } = await execa(process.env['GITLEAKS'] ?? 'gitleaks', args, { reject: false });
  if (failed) return undefined;
  const leaks = JSON.parse(readFileSync(file, 'utf8')) as { readonly File: string; readonly RuleID: string }[];
  return gathered(leaks.map(({ File, RuleID }) => [File, RuleID] as const));
}

function tell(who: string, vectors: readonly Vector[], found: Found): void {
  const share = (kind: Vector['kind']) => {
    const all = vectors.flatMap((each, index) => (each.kind === kind ? [index] : []));
    const hit = all.filter((index) => found.has(index)).length;
    return `${hit} of ${all.length}${all.length === 0 ? '' : ` (${((100 * hit) / all.length).toFixed(1)} %)`}`;
  };
  console.log(`  ${who.padEnd(9)} finds ${share('tp')} of what it must, and ${share('fp')} of what it must not`);
}

async function judge(file: string): Promise<void> {
  const lines = readFileSync(file, 'utf8').split('\n');
  const vectors = lines.filter((line) => line !== '').map((line) => vector.parse(JSON.parse(line)));
  const folder = join(work, basename(file));
  for (const [index, { text, path }] of vectors.entries()) {
    const at = join(folder, `n${index}`, path);
    mkdirSync(dirname(at), { recursive: true });
    writeFileSync(at, text);
  }
  console.log(`${basename(file)}: ${vectors.length} examples of ${new Set(vectors.map(({ rule }) => rule)).size} rules`);
  const own = await ours(folder);
  tell('Waybill', vectors, own);
  const peer = await theirs(folder);
  if (peer) tell('gitleaks', vectors, peer);
  else console.log('SKIPPED: the comparison with gitleaks, which is not here');
  for (const [index, { rule, kind, text }] of vectors.entries())
    if (own.has(index) !== (kind === 'tp'))
      console.log(
        `    ${kind === 'tp' ? 'missed' : `wrong (${[...(own.get(index) ?? [])].join()})`} ${rule}${peer ? ` (gitleaks: ${[...(peer.get(index) ?? ['nothing'])].join()})` : ''}: ${JSON.stringify(text.slice(0, 160))}`,
      );
}

try {
  const folder = process.env['VECTORS'];
  if (folder === undefined) console.log('SKIPPED: VECTORS names no folder of examples');
  else for (const file of readdirSync(folder).filter((name) => name.endsWith('.jsonl'))) await judge(join(folder, file));
} finally {
  rmSync(work, { recursive: true, force: true });
}
