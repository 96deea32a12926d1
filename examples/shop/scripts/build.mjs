// Makes dist/: the sources, and the commit that they are. Waybill's build sandbox sets WAYBILL_COMMIT.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';

const commit = process.env.WAYBILL_COMMIT;
if (!commit) throw new Error('WAYBILL_COMMIT is not set: which commit is this?');
rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');
cpSync('src', 'dist', { recursive: true });
writeFileSync('dist/package.json', `${JSON.stringify({ type: 'module' })}\n`);
writeFileSync('dist/revision.json', `${JSON.stringify({ commit })}\n`);
