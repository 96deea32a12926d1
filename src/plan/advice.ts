import { type Finding, type Place, placeOf } from './document.ts';
import { stagesFor } from './order.ts';
import { type Path, shown } from './problem.ts';
import type { Pipeline } from './schema.ts';

/** What is valid and probably not meant. */
export function advise(pipeline: Pipeline, root: Place): Finding[] {
  const findings: Finding[] = [];
  const warn = (path: Path, message: string, expected?: string): void => {
    findings.push({ severity: 'warning', message, ...(expected === undefined ? {} : { expected }), path, span: placeOf(root, path).value });
  };
  for (const event of ['change', 'merge'] as const)
    if (stagesFor(pipeline.stages, event).length === 0)
      findings.push({
        severity: 'warning',
        message: `no stage runs on "${event}": ${event === 'change' ? 'every change passes without a test' : 'what is merged is not tested'}`,
        path: ['stages'],
        span: placeOf(root, ['stages']).key ?? [0, 0],
      });
  adviseEnv(pipeline.defaults?.env, ['defaults', 'env'], warn);
  pipeline.stages.forEach((stage, index) => {
    const path = ['stages', index];
    stage.on.forEach((event, at) => {
      if (event !== 'change' && event !== 'merge')
        warn([...path, 'on', at], `the server does not start runs on "${event}" yet`, `\`waybill run --event ${event}\` on this machine`);
    });
    adviseEnv(stage.env, [...path, 'env'], warn);
    adviseSteps(stage.steps, path, warn);
    stage.jobs?.forEach((job, at) => {
      adviseEnv(job.env, [...path, 'jobs', at, 'env'], warn);
      adviseSteps(job.steps, [...path, 'jobs', at], warn);
    });
  });
  pipeline.images?.forEach((image, index) => {
    if (image.base !== undefined && image.base !== 'scratch' && !image.base.includes('@'))
      warn(['images', index, 'base'], 'this base can change under the same name', 'a digest behind it: name@sha256:…');
    adviseEnv(image.config?.env, ['images', index, 'config', 'env'], warn);
  });
  return findings;
}

type Warn = (path: Path, message: string, expected?: string) => void;

function adviseSteps(steps: Pipeline['stages'][number]['steps'], path: Path, warn: Warn): void {
  steps?.forEach((step, index) => {
    if (step.run.includes('${{'))
      warn([...path, 'steps', index, 'run'], '"${{ … }}" is not supported yet by this version: the shell gets it as it is');
    adviseEnv(step.env, [...path, 'steps', index, 'env'], warn);
  });
}

/** Beginnings of well-known credentials; the secret scan looks for many more. */
const credential =
  /^(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|npm_[A-Za-z0-9]{30}|AKIA[0-9A-Z]{16}|sk_live_|AIza)|-----BEGIN [A-Z ]*PRIVATE KEY/;
const telling = /(?:PASSWORD|PASSWD|TOKEN|SECRET|API_?KEY|PRIVATE_KEY)$/i;

function adviseEnv(env: Readonly<Record<string, string>> | undefined, path: Path, warn: Warn): void {
  for (const [name, value] of Object.entries(env ?? {})) {
    const suspicious = telling.test(name) && value.length >= 16 && !/\s|\$/.test(value);
    if (credential.test(value) || suspicious)
      warn([...path, name], `the value of ${shown(name)} looks like a credential, and everybody who reads the repository sees it`);
  }
}
