import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { systemClock } from '../../kernel/clock.ts';
import type { TreeSource } from '../tree-source.ts';
import type { ScanLimits } from './limits.ts';
import { builtInRuleSet } from './repository-rules.ts';
import type { Rule } from './rule.ts';
import { compileRules, type RuleSet } from './rule-set.ts';
import { scanSecrets } from './scan-secrets.ts';

const token = (n: number) =>
  `ghp_${createHash('sha256')
    .update(`token ${n}`)
    .digest('base64')
    .replaceAll(/[^A-Za-z0-9]/g, 'x')
    .slice(0, 36)}`;
const text = randomBytes(6_000)
  .toString('base64')
  .replaceAll(/(.{76})/g, '$1\n');

function sourceOf(contents: ReadonlyMap<string, string>): TreeSource {
  return {
    what: 'a test',
    async *files({ skip }) {
      for (const [path, content] of contents) {
        if (path.startsWith('link')) skip({ path, reason: 'excluded', detail: 'a link, not followed' });
        else yield { path, size: content.length, blob: path, pieces: () => [Buffer.from(content)] };
      }
    },
  };
}

async function scanned(contents: ReadonlyMap<string, string>, rules: RuleSet, limits: Partial<ScanLimits>) {
  const clean: string[] = [];
  const report = await scanSecrets({
    source: sourceOf(contents),
    rules,
    salt: '0'.repeat(32),
    clock: { now: () => new Date('2026-11-28T12:00:00Z') },
    scanner: 'waybill test',
    signal: AbortSignal.timeout(60_000),
    limits,
    onClean: (blob) => void clean.push(blob),
  });
  return { report, clean };
}

const here = { count: 0, fromBytes: 0 };
const there = { count: 2, fromBytes: 0 };

test('a report is the same whoever looked: this thread or others', async () => {
  const contents = new Map<string, string>();
  for (let n = 0; n < 900; n++) {
    contents.set(`file-${n}`, n % 30 === 7 ? `${text}\nconst token = '${token(n)}';\n${text}` : text.repeat(1 + (n % 4)));
    if (n % 100 === 0) contents.set(`link-${n}`, '');
  }
  const one = await scanned(contents, builtInRuleSet(), { threads: here });
  const several = await scanned(contents, builtInRuleSet(), { threads: there });
  assert.equal(one.report.findings.length, 30);
  assert.equal(one.report.coverage.skippedCount, 9);
  assert.equal(one.clean.length, 870);
  assert.deepEqual(several, one);
  const first = { findings: 5 };
  assert.deepEqual(
    (await scanned(contents, builtInRuleSet(), { ...first, threads: there })).report,
    (await scanned(contents, builtInRuleSet(), { ...first, threads: here })).report,
  );
});

test('a rule that takes too long is stopped and told in another thread too, and what it touched is not clean', async () => {
  const slow: Rule = {
    id: 'slow',
    title: 'Slow',
    severity: 'low',
    fix: 'Do not.',
    keywords: ['bomb'],
    match: { kind: 'everywhere', expression: 'bomb(?:a+)+!' },
    examples: { found: [] },
  };
  const contents = new Map([
    ['bomb', `bomb${'a'.repeat(40)}`],
    ['after', text],
  ]);
  const { report, clean } = await scanned(contents, compileRules([slow]), { threads: { count: 1, fromBytes: -1 }, milliseconds: 200 });
  assert.deepEqual(
    report.coverage.skipped.map(({ path, reason }) => [path, reason]),
    [['bomb', 'time']],
  );
  assert.deepEqual(clean, ['after']);
});

test('whoever gives up waits for no thread', async () => {
  const controller = new AbortController();
  const endless: TreeSource = {
    what: 'a test',
    async *files() {
      for (let n = 0; ; n++) {
        if (n === 2_000) controller.abort(new Error('enough'));
        yield { path: `file-${n}`, size: text.length, pieces: () => [Buffer.from(text)] };
      }
    },
  };
  await assert.rejects(
    scanSecrets({
      source: endless,
      rules: builtInRuleSet(),
      salt: '0'.repeat(32),
      clock: systemClock,
      scanner: 'waybill test',
      signal: controller.signal,
      limits: { threads: there },
    }),
    /enough/,
  );
});
