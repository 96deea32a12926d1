import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { detect, type Hit } from './detect.ts';
import { assignments, fillExample } from './examples.ts';
import { isBinary, judgeFile } from './file-kind.ts';
import { compileRules } from './rule-set.ts';
import type { Rule } from './rule.ts';
import { builtInRules } from './rules/all.ts';

const set = compileRules(builtInRules);
const now = new Date('2026-03-01T00:00:00Z');

function find(text: string, path = 'example'): readonly Hit[] {
  const bytes = text.startsWith('hex:') ? Buffer.from(text.slice(4).padEnd(200, '0'), 'hex') : Buffer.from(text);
  const chunk = { bytes, path, binary: isBinary(bytes), now };
  const progress = { rule: undefined };
  return [...judgeFile(set, chunk, new Set(), progress), ...detect(set, chunk, new Set(), progress).hits];
}

const ids = (hits: readonly Hit[]) => hits.map(({ rule }) => rule.rule.id);

/** Texts in which exactly this rule finds exactly this value. */
function positives(rule: Rule): { text: string; value: string }[] {
  return rule.examples.found.flatMap((template, index) => {
    const value = fillExample(template, `${rule.id}/${index}`);
    if (rule.match.kind !== 'assigned') return [{ text: value, value }];
    // Names that are words of their own are the keyword alone.
    const name = rule.keywords[0] ?? '';
    const forms =
      rule.check === 'generic-password'
        ? assignments.filter((form) => /["'`]\{v\}["'`]/.test(form) && /[:=]/.test(form) && !form.includes('\\"'))
        : assignments;
    return forms.map((form) => ({ text: form.replaceAll('{n}', name).replaceAll('{v}', value), value }));
  });
}

suite('every rule', () => {
  test('there are many, each with a name of its own', () => {
    assert.ok(builtInRules.length >= 300, String(builtInRules.length));
    assert.equal(new Set(builtInRules.map(({ id }) => id)).size, builtInRules.length);
  });

  for (const rule of builtInRules) {
    test(`${rule.id} finds its examples, alone`, () => {
      for (const { text, value } of positives(rule)) {
        const hits = find(text, rule.examples.path);
        assert.deepEqual(ids(hits), [rule.id], `${JSON.stringify(text.slice(0, 300))} gives ${JSON.stringify(ids(hits))}`);
        if (rule.match.kind === 'assigned') assert.equal(hits[0]?.value, value);
      }
    });

    if (rule.examples.none)
      test(`nothing finds what ${rule.id} must not`, () => {
        for (const [index, template] of (rule.examples.none ?? []).entries()) {
          const text = fillExample(template, `${rule.id}/none/${index}`);
          assert.deepEqual(ids(find(text, rule.examples.path)), [], JSON.stringify(text.slice(0, 300)));
        }
      });

    if (rule.match.kind === 'token')
      test(`${rule.id} is not found where it is masked, or in the middle of a word`, () => {
        const template = rule.examples.found[0] ?? '';
        const masked = template.replaceAll(/<\w+:(\d+)>/g, (_, count: string) => 'x'.repeat(Number(count)));
        if (masked !== template) assert.equal(ids(find(masked, rule.examples.path)).includes(rule.id), false, masked);
        const value = fillExample(template, rule.id);
        if (/^\w/.test(value)) assert.equal(ids(find(`Q${value}`, rule.examples.path)).includes(rule.id), false, `Q${value}`);
      });
  }
});
