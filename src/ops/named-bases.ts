import { largestDockerfile, readDockerfile } from '../image/dockerfile/read-dockerfile.ts';
import { WaybillError, isWaybillError } from '../kernel/error.ts';
import type { Plan, PlannedImage } from '../plan/plan.ts';
import { problemAt, problemIn } from '../plan/problem-at.ts';
import { problemText } from '../plan/problem-text.ts';
import { hostPlatform } from './host-platform.ts';
import { pipelineFile } from './plan-commit.ts';

/** A base where it is named: in the pipeline file, or in a Dockerfile. */
export type NamedBase = {
  readonly image: string;
  readonly reference: string;
  /** What is wrong with it, as compilers print it: file, line, column, and the line itself; then what to do. */
  tell(message: string, fix: string): string;
};

export type NamedBases = {
  readonly bases: readonly NamedBase[];
  /** Dockerfiles that are not there or cannot be read, told in the same way. */
  readonly problems: readonly string[];
};

type ReadFile = (path: string, options: { maxBytes: number }) => Promise<Buffer | undefined>;

/** Every base that the images of a plan are built upon, `scratch` left out. `text` is the pipeline file that the plan was made of. */
export async function namedBases(plan: Plan, text: string, readFile: ReadFile): Promise<NamedBases> {
  const bases: NamedBase[] = [];
  const problems: string[] = [];
  for (const [index, image] of plan.images.entries()) {
    const at = (field: string, message: string, fix: string) =>
      `${problemText(problemAt(text, pipelineFile, ['images', index, field], { message }), text)}\n${fix}`;
    if (!image.dockerfile) {
      if (image.base !== 'scratch')
        bases.push({ image: image.name, reference: image.base, tell: (message, fix) => at('base', message, fix) });
      continue;
    }
    try {
      bases.push(...(await dockerfileBases(image, image.dockerfile, readFile)));
    } catch (error) {
      if (!isWaybillError(error)) throw error;
      problems.push(at('dockerfile', error.detail, error.fix));
    }
  }
  return { bases, problems };
}

async function dockerfileBases(
  image: PlannedImage,
  { file, args }: NonNullable<PlannedImage['dockerfile']>,
  readFile: ReadFile,
): Promise<NamedBase[]> {
  const bytes = await readFile(file, { maxBytes: largestDockerfile });
  if (!bytes) throw new WaybillError('NOT_FOUND', `there is no file ${file}`, { fix: 'Commit it, or name the right path.' });
  const text = bytes.toString('utf8');
  let read: ReturnType<typeof readDockerfile>;
  try {
    read = readDockerfile(text, { args, platform: hostPlatform() });
  } catch (error) {
    if (!isWaybillError(error)) throw error;
    throw new WaybillError(error.code, `${file}, ${error.detail}`, { cause: error, fix: error.fix });
  }
  return read.bases.map(({ reference, start, end }) => ({
    image: image.name,
    reference,
    tell: (message, fix) => `${problemText(problemIn(text, file, [start, end], { message }), text)}\n${fix}`,
  }));
}
