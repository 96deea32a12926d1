import pino from 'pino';
import type { Logger } from '../kernel/logger.ts';

/** JSON lines on standard error, with the part's name; the level comes from WAYBILL_LOG (default info). */
export function processLogger(part: string): Logger {
  return pino({ name: part, level: process.env['WAYBILL_LOG'] ?? 'info' }, pino.destination({ dest: 2, sync: true }));
}
