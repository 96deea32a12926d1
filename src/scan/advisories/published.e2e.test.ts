import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { suite, test } from 'node:test';
import { systemClock } from '../../kernel/clock.ts';
import { packageKey } from './advisory.ts';
import { boundVersion, judgeVersion, type Affected } from './affected.ts';
import { openDatabase } from './database.ts';
import { ecosystemOf } from './ecosystems.ts';
import { folderSource } from './folder-source.ts';
import { usualLimits } from './limits.ts';
import { osvRecord } from './osv-record.ts';
import { updateDatabase } from './update.ts';
import { zipRecords } from './zip-records.ts';

/** Real advisories, where they lie beside the project: see the guide about vulnerabilities. */
const data = path.resolve(import.meta.dirname, '../../../../shared/data/osv');
const ecosystems = ['npm', 'Go', 'PyPI'];
const here = ecosystems.every((name) => existsSync(path.join(data, name, 'all.zip')));

/**
 * The other opinion: reads the same archives with Python's zipfile and evaluates them by the pseudo-code of OSV's schema, with packaging for PyPI and with
 * section 11 of semver.org for the others. Asks about every version that an event names, about neighbours of it, and about every version that is listed. Prints
 * `id`, number of the package in it, version, and 1, 0 or `bad`, with tabs between.
 */
const other = String.raw`
import json, re, sys, zipfile
from functools import lru_cache
try:
    from packaging.version import Version, InvalidVersion
except ImportError:
    sys.exit(3)
ecosystem, file = sys.argv[1:]
number = '(0|[1-9][0-9]*)'
pattern = re.compile('v?' + number + r'\.' + number + r'\.' + number + r'(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?')
def semver(text):
    m = pattern.fullmatch(text)
    if not m: return None
    pre = m.group(4)
    ids = None if pre is None else [(0, int(i), '') if i.isdigit() else (1, 0, i) for i in pre.split('.')]
    return (int(m.group(1)), int(m.group(2)), int(m.group(3)), 1 if ids is None else 0, ids or [])
@lru_cache(maxsize=500000)
def key(text):
    if ecosystem != 'PyPI': return semver(text)
    try: return Version(text)
    except InvalidVersion: return None
def inside(version, ranges):
    unknown = False
    for events in ranges:
        v = key(version)
        named = [(k, x) for e in events for k, x in e.items()]
        if v is None or any(x != '0' and key(x) is None for k, x in named if not (k == 'limit' and x == '*')):
            unknown = True
            continue
        limits = [x for k, x in named if k == 'limit']
        if limits and not any(x == '*' or v < key(x) for x in limits): continue
        hit = False
        steps = [(k, x) for k, x in named if k != 'limit']
        first = [s for s in steps if s == ('introduced', '0')]
        for k, x in first + sorted((s for s in steps if s != ('introduced', '0')), key=lambda s: key(s[1])):
            if k == 'introduced' and (x == '0' or v >= key(x)): hit = True
            elif k == 'fixed' and v >= key(x): hit = False
            elif k == 'last_affected' and v > key(x): hit = False
        if hit: return '1'
    return 'bad' if unknown else '0'
def near(version):
    yield version
    if ecosystem == 'PyPI':
        for tail in ('.post1', '.dev0', 'rc1', '.1', '+local.1'): yield version + tail
        return
    plain = version.split('+')[0]
    if '-' in plain:
        yield plain + '.0'
        yield plain.split('-')[0]
    else:
        yield plain + '-0'
        yield plain + '-rc.1'
        yield plain + '+build'
        a, b, c = plain.split('.')[:3] if plain.count('.') >= 2 else (plain, '0', '0')
        if c.isdigit():
            yield '%s.%s.%d' % (a, b, int(c) + 1)
            if int(c): yield '%s.%s.%d' % (a, b, int(c) - 1)
with zipfile.ZipFile(file) as z:
    for name in z.namelist():
        d = json.loads(z.read(name))
        if d.get('withdrawn'): continue
        for at, a in enumerate(d['affected']):
            ranges = [r['events'] for r in a.get('ranges') or [] if r['type'] in ('SEMVER', 'ECOSYSTEM')]
            listed = set(a.get('versions') or [])
            asked = set(listed)
            for events in ranges:
                for e in events:
                    for k, x in e.items():
                        asked.update(near('0.0.0' if x == '0' else x))
            for v in sorted(asked):
                said = '1' if v in listed else inside(v, ranges)
                print(d['id'], at, v, said, sep='\t')
`;

async function* opinions(ecosystem: string): AsyncGenerator<readonly [id: string, at: number, version: string, said: string]> {
  const child = spawn('/usr/bin/python3', ['-c', other, ecosystem, path.join(data, ecosystem, 'all.zip')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 120_000,
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve).on('error', () => resolve(3)));
  for await (const line of createInterface({ input: child.stdout })) {
    const [id = '', at = '', version = '', said = ''] = line.split('\t');
    yield [id, Number(at), version, said];
  }
  const status = await ended;
  assert.ok(status === 0 || status === 3, `python3 ended with ${status}`);
}

suite('published advisories', { skip: here ? false : `SKIPPED: no advisories in ../shared/data/osv` }, () => {
  for (const name of ecosystems)
    test(`${name}: whatever a range says about a version, the index says too`, async (t) => {
      const folder = await mkdtemp(path.join(tmpdir(), 'waybill-published-'));
      t.after(() => rm(folder, { recursive: true, force: true }));
      const signal = AbortSignal.timeout(120_000);
      const [result] = await updateDatabase({ folder, source: folderSource(data), ecosystems: [name], clock: systemClock, signal });
      assert.equal(result?.outcome, 'updated');
      if (result?.outcome !== 'updated') return;
      assert.deepEqual(result.state.skipped, { count: 0, named: [] });
      using database = await openDatabase(folder);
      const index = database.ecosystems.get(name)?.index;
      const ecosystem = ecosystemOf(name);
      assert.ok(index && ecosystem);

      /** Of each advisory: what the index holds about each of its packages, in the order of the record. */
      const packages = new Map<string, readonly Affected[][]>();
      const events = new Map<string, number>();
      for await (const { content } of zipRecords(path.join(data, name, 'all.zip'))(usualLimits, signal)) {
        assert.ok(Buffer.isBuffer(content));
        const record = osvRecord.parse(JSON.parse(content.toString('utf8')));
        if (record.withdrawn) continue;
        packages.set(
          record.id,
          record.affected.map((entry) => {
            const key = packageKey('', ecosystem.nameOf(entry.package?.name ?? ''));
            return index.packageAdvisories(key).flatMap(({ ref, affected }) => (index.advisory(ref).id === record.id ? [affected] : []));
          }),
        );
        // The ends of every range, straight from the record.
        record.affected.forEach((entry, at) => {
          const entries = packages.get(record.id)?.[at] ?? [];
          const judged = (version: string) =>
            entries.some((affected) => judgeVersion(boundVersion(ecosystem.order, version), affected) === 'affected');
          for (const version of entry.versions) assert.ok(judged(version), `${record.id}: ${version} is listed`);
          const inOthers = (version: string) => record.affected.some((one) => one.versions.includes(version));
          for (const { type, events: all } of entry.ranges.filter((range) => range.type !== 'GIT')) {
            assert.match(type, /^(?:SEMVER|ECOSYSTEM)$/);
            for (const event of all) {
              for (const kind of Object.keys(event)) events.set(kind, (events.get(kind) ?? 0) + 1);
              if (event.introduced !== undefined)
                assert.ok(
                  judged(event.introduced === '0' ? '0.0.0-0' : event.introduced) || name === 'PyPI',
                  `${record.id}: ${event.introduced} is introduced`,
                );
              if (event.last_affected !== undefined)
                assert.ok(judged(event.last_affected), `${record.id}: ${event.last_affected} is the last one`);
              if (event.fixed !== undefined && record.affected.length === 1 && !inOthers(event.fixed)) {
                const again = all.some(({ introduced }) => introduced === event.fixed) || entry.ranges.length > 1;
                assert.ok(again || !judged(event.fixed), `${record.id}: ${event.fixed} is fixed`);
              }
            }
          }
        });
      }

      let asked = 0;
      const wrong: string[] = [];
      for await (const [id, at, version, said] of opinions(name)) {
        asked++;
        const bound = boundVersion(ecosystem.order, version);
        // A record may name one package twice: then what it says of either counts, as it does when a component is looked up.
        const judgements = (packages.get(id)?.[at] ?? []).map((affected) => judgeVersion(bound, affected));
        const same =
          said === '1'
            ? judgements.includes('affected')
            : said === '0'
              ? judgements.includes('unaffected')
              : judgements.includes('unknown');
        if (!same) wrong.push(`${id} #${at} ${version}: ${judgements.join()}, Python says ${said}`);
      }
      if (asked === 0) t.skip('SKIPPED: python3 with packaging is not on this machine');
      assert.deepEqual(wrong.slice(0, 30), [], `${wrong.length} of ${asked}`);
      t.diagnostic(`${asked} versions judged as Python does; events: ${[...events].map(([kind, count]) => `${count} ${kind}`).join(', ')}`);
    });
});
