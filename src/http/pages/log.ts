import { html, type Html } from './html.ts';
import { empty } from './parts.ts';

export type LogLine = { readonly at: string; readonly stream: string; readonly text: string };

/** The end of a log, and how many lines it has in all. */
export type LogTail = { readonly name: string; readonly lines: readonly LogLine[]; readonly total: number };

/** No page has more lines than this; whoever wants all of them has the command line. */
export const maxLines = 2000;

/** Reads a log to its present end and keeps the last lines. */
export async function tailOf(name: string, lines: AsyncIterable<LogLine>): Promise<LogTail> {
  const kept: LogLine[] = [];
  let total = 0;
  for await (const line of lines) {
    total += 1;
    kept.push(line);
    if (kept.length > 2 * maxLines) kept.splice(0, kept.length - maxLines);
  }
  return { name, lines: kept.slice(-maxLines), total };
}

/** The log as it is now; the page's script goes on from there. */
export function logView(run: number, log: LogTail | undefined, { over, picked }: { over: boolean; picked: boolean }): Html {
  if (!log)
    return html`<div id="log" class="log" ${!picked && 'data-auto'}>
      ${empty(over ? 'Nothing was run.' : 'Waiting for the first line …')}
    </div>`;
  const left = log.total - log.lines.length;
  return html`${
      left > 0 &&
      html`<p class="soft">${left} earlier lines are left out: <code class="command">waybill runs log ${run} ${log.name}</code></p>`
    }
    <div
      id="log"
      class="log"
      role="log"
      aria-live="off"
      aria-label="Log of ${log.name}"
      tabindex="0"
      data-run="${run}"
      data-name="${log.name}"
      data-total="${log.total}"
      ${!over && 'data-follow'}
      ${!picked && 'data-auto'}
    >
      ${log.lines.map(logLine)}
    </div>`;
}

const streams: Readonly<Record<string, readonly [letter: string, sign: string, said: string]>> = {
  stderr: ['e', '!', 'standard error: '],
  waybill: ['w', '›', 'Waybill: '],
};

/** Where a line comes from is told by colour, by a sign, and to a screen reader. */
function logLine({ at, stream, text }: LogLine): Html {
  const [letter, sign, said] = streams[stream] ?? ['o', ' ', ''];
  return html`<div class="l ${letter}">
    <time datetime="${at}">${at.slice(11, 23)}</time
    ><i aria-hidden="true">${sign}</i>${said !== '' && html`<b class="unseen">${said}</b>`}<span>${text}</span>
  </div>`;
}
