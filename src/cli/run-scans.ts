import { systemClock } from '../kernel/clock.ts';
import type { Command } from 'commander';
import type { Client } from '../api/client.ts';
import { endpoints } from '../api/endpoints.ts';
import { scanReport } from '../api/scan-report.ts';
import { sinceReport } from '../api/since-report.ts';
import type { CliContext } from './context.ts';
import { show } from './output.ts';
import { plain } from './terminal.ts';

/** What the scans of a run found, and what it brings since the last release of each environment: `{ scans, since }` as JSON. @param run undefined: none has begun */
export async function tellScans(context: CliContext, program: Command, client: Client, run: number | undefined): Promise<void> {
  const params = run === undefined ? undefined : { id: run };
  const scans = params ? await client.call(endpoints.showScans, { params }) : [];
  const since = params ? await client.call(endpoints.showSince, { params }) : [];
  show(context, program, { scans, since }, () => {
    const report = [scanReport(scans), sinceReport(since, systemClock.now())].filter((part) => part !== '').join('\n');
    return report.split('\n').map(plain);
  });
}
