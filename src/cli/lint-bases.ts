import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { endpoints } from '../api/endpoints.ts';
import { largestDockerfile, readDockerfile } from '../image/dockerfile/read-dockerfile.ts';
import { isWaybillError } from '../kernel/error.ts';
import { planFor } from '../plan/make-plan.ts';
import type { PlannedDockerfile } from '../plan/plan.ts';
import { problemAt, problemIn } from '../plan/problem-at.ts';
import type { Problem } from '../plan/problem.ts';
import type { Pipeline } from '../plan/schema.ts';
import type { CliContext } from './context.ts';

/** A problem and the text that it is about. */
export type BaseProblem = { readonly problem: Problem; readonly text: string };
type Named = { readonly reference: string; tell(message: string): BaseProblem };

/**
 * Asks the server what it would say of the bases of a checkout if they were merged now, with their places in the pipeline file and its Dockerfiles.
 * @returns problems, and how many bases images may be built upon
 */
export async function lintBases(
  context: CliContext,
  pipeline: Pipeline,
  { file, text }: { readonly file: string; readonly text: string },
): Promise<{ readonly problems: readonly BaseProblem[]; readonly good: number }> {
  const named: Named[] = [];
  const problems: BaseProblem[] = [];
  for (const [index, image] of planFor(pipeline, 'merge').images.entries()) {
    const at = (field: string) => (message: string) => ({ problem: problemAt(text, file, ['images', index, field], { message }), text });
    if (!image.dockerfile) {
      if (image.base !== 'scratch') named.push({ reference: image.base, tell: at('base') });
      continue;
    }
    try {
      named.push(...(await basesIn(path.resolve(context.cwd, path.dirname(file)), image.dockerfile)));
    } catch (error) {
      if (!isWaybillError(error) && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      problems.push(at('dockerfile')(isWaybillError(error) ? error.detail : `there is no file ${image.dockerfile.file}`));
    }
  }
  const references = [...new Set(named.map((each) => each.reference))];
  if (references.length === 0) return { problems, good: 0 };
  const verdicts = await (await context.client()).call(endpoints.judgeBases, { body: { references } });
  for (const { reference, tell } of named) {
    const refused = verdicts.find((verdict) => verdict.reference === reference)?.refused;
    if (refused !== undefined) problems.push(tell(refused));
  }
  return { problems, good: verdicts.filter((verdict) => verdict.refused === undefined).length };
}

async function basesIn(folder: string, { file, args }: PlannedDockerfile): Promise<Named[]> {
  const text = await readFile(path.join(folder, file), 'utf8');
  const platform = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
  return readDockerfile(text.slice(0, largestDockerfile + 1), { args, platform }).bases.map(({ reference, start, end }) => ({
    reference,
    tell: (message) => ({ problem: problemIn(text, file, [start, end], { message }), text }),
  }));
}
