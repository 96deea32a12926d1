import { html, type Html } from './html.ts';
import { badge, took } from './parts.ts';
import { isOver, logName, type Job, type Part } from './run-parts.ts';

type Timed = Pick<Part, 'status' | 'startedAt' | 'finishedAt'>;
type Options = { readonly logs: readonly string[]; readonly shown: string | undefined; readonly now: Date };

/** Jobs with their steps and how long each took; a job whose log exists is a link to it. */
export function jobList(parts: readonly Part[], options: Options): Html {
  return html`<ul class="jobs">
    ${parts.flatMap((part) =>
      part.kind === 'stage'
        ? part.jobs.map((job) =>
            entry(
              html`${part.name} <span class="soft">/</span> ${job.name}`,
              logName(part, job),
              // A stage that was reused or skipped ran none of its jobs here.
              untouched(part, job) ? { status: part.status } : job,
              untouched(part, job) ? [] : job.steps,
              options,
            ),
          )
        : [entry(html`<span class="soft">${part.kind}</span> ${part.name}`, logName(part), part, [], options)],
    )}
  </ul>`;
}

function untouched(part: Part, job: Job): boolean {
  return job.status === 'waiting' && isOver(part.status);
}

function entry(title: Html, log: string, timed: Timed, steps: Job['steps'], { logs, shown, now }: Options): Html {
  return html`<li>
    <div class="job">
      ${logs.includes(log) ? html`<a href="?log=${encodeURIComponent(log)}" ${log === shown && 'aria-current=true'}>${title}</a>` : html`<span>${title}</span>`}
      ${line(timed, now)}
    </div>
    ${
      steps.length > 0 &&
      html`<ol>
        ${steps.map(
          (step) =>
            html`<li>
              <code><bdi>${step.name}</bdi></code> ${line(step, now)}
              ${step.status === 'failed' && typeof step.exitCode === 'number' && html`<span class="soft">exit code ${step.exitCode}</span>`}
            </li>`,
        )}
      </ol>`
    }
  </li>`;
}

function line(timed: Timed, now: Date): Html {
  return html`<span class="end"
    >${took(timed.startedAt, timed.finishedAt, timed.status === 'running' ? now : undefined)} ${badge(timed.status)}</span
  >`;
}
