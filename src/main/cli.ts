import { enableCompileCache } from 'node:module';
import path from 'node:path';

// Half of the start-up is reading our own modules: kept compiled, in a folder that only this user writes.
const home = process.env['HOME'];
if (home !== undefined) enableCompileCache(path.join(process.env['XDG_CACHE_HOME'] ?? path.join(home, '.cache'), 'waybill', 'compiled'));
await import('./cli-process.ts');
