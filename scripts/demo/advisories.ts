import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';

const root = path.resolve(import.meta.dirname, '..', '..');

/** Advisories about packages that do not exist, in OSV's form: enough for scans to have something to look things up in. */
export const inventedAdvisories: readonly {
  readonly ecosystem: string;
  readonly name: string;
  readonly id: string;
  readonly fixed: string;
  readonly vector: string;
}[] = [
  { ecosystem: 'npm', name: 'left-behind', id: 'CVE-2026-90001', fixed: '1.2.3', vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' },
  { ecosystem: 'PyPI', name: 'left-behind', id: 'CVE-2026-90002', fixed: '2.0', vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L' },
  {
    ecosystem: 'Go',
    name: 'example.com/left-behind',
    id: 'CVE-2026-90003',
    fixed: '1.4.0',
    vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N',
  },
  {
    ecosystem: 'crates.io',
    name: 'left-behind',
    id: 'CVE-2026-90004',
    fixed: '0.3.1',
    vector: 'CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N',
  },
];

/** Writes them, laid out for `waybill db update --from`. */
export async function writeAdvisories(folder: string, more: readonly (typeof inventedAdvisories)[number][] = []): Promise<void> {
  for (const { ecosystem, name, id, fixed, vector } of [...inventedAdvisories, ...more]) {
    await mkdir(path.join(folder, ecosystem), { recursive: true });
    const record = {
      schema_version: '1.6.0',
      id,
      modified: '2026-01-01T00:00:00Z',
      published: '2026-01-01T00:00:00Z',
      summary: `${name} lets anybody in`,
      severity: [{ type: 'CVSS_V3', score: vector }],
      affected: [{ package: { ecosystem, name }, ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed }] }] }],
    };
    await writeFile(path.join(folder, ecosystem, `${id}.json`), JSON.stringify(record));
  }
}

/** A server of the demo or of tests asks nobody outside: it has the invented advisories, in its own database. */
export async function giveAdvisories(data: string, scratch: string, signal: AbortSignal): Promise<void> {
  const folder = path.join(scratch, 'advisories');
  await writeAdvisories(folder);
  const file = path.join(data, 'waybill.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as { scan?: object };
  await writeFile(file, JSON.stringify({ ...config, scan: { ...config.scan, advisories: { from: folder, everyHours: 0 } } }, null, 2));
  await execa(
    path.join(root, 'bin', 'waybill'),
    ['db', 'update', '--from', folder, '--as-of', new Date().toISOString(), '--database', path.join(data, 'advisories')],
    { timeout: 60_000, cancelSignal: signal },
  );
}
