import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { WaybillError, isWaybillError, messageOf } from '../kernel/error.ts';
import { parseReference } from '../oci/reference.ts';
import type { CliContext } from './context.ts';
import { connectTo } from './registry-connection.ts';

/** A base that is pinned with its tag, and what the tag names now. */
export type BaseUpdate = {
  readonly file: string;
  /** As it is written: `registry/name:tag@sha256:…`. */
  readonly written: string;
  readonly from: string;
  readonly to: string;
};

export type BaseUpdates = {
  readonly moved: readonly BaseUpdate[];
  /** What could not be asked, one line each. */ readonly unknown: readonly string[];
  readonly current: number;
};

const pipelineFile = 'waybill.yaml';
/** Only what of the file names other files; everything else of it is read as text. */
const named = z.object({
  images: z
    .array(z.looseObject({ dockerfile: z.union([z.string(), z.looseObject({ file: z.string().optional() })]).optional() }))
    .optional(),
});
const pinned = /(?:[A-Za-z0-9.-]+(?::[0-9]{1,5})?\/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}@sha256:[0-9a-f]{64}/g;

/**
 * Looks for bases whose tag has moved since they were pinned, in the pipeline file and the Dockerfiles that it names. Only `name:tag@digest` can be
 * followed: without a tag nobody knows what newer would mean, and without a digest nothing is pinned.
 * @throws WaybillError NOT_FOUND without a pipeline file, INVALID_INPUT
 */
export async function findBaseUpdates(context: CliContext): Promise<BaseUpdates> {
  const moved: BaseUpdate[] = [];
  const unknown: string[] = [];
  let current = 0;
  for (const file of await filesOf(context.cwd)) {
    const text = await readFile(path.join(context.cwd, file), 'utf8');
    for (const written of new Set(basesOf(file, text))) {
      try {
        const to = await nowAt(context, written);
        const from = parseReference(written).digest ?? '';
        if (to === from) current += 1;
        else moved.push({ file, written, from, to });
      } catch (error) {
        if (!isWaybillError(error)) throw error;
        unknown.push(`${file}: ${written.split('@')[0]}: ${error.detail}`);
      }
    }
  }
  return { moved, unknown, current };
}

/** Replaces the digests where they stand; everything else of the files stays as it is, comments too. */
export async function writeBaseUpdates(cwd: string, updates: readonly BaseUpdate[]): Promise<void> {
  for (const [file, own] of Map.groupBy(updates, (update) => update.file)) {
    const at = path.join(cwd, file);
    let text = await readFile(at, 'utf8');
    for (const { written, from, to } of own) text = text.replaceAll(written, written.replace(from, to));
    await writeFile(at, text);
  }
}

async function filesOf(cwd: string): Promise<string[]> {
  const text = await readFile(path.join(cwd, pipelineFile), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause;
    throw new WaybillError('NOT_FOUND', `there is no ${pipelineFile} in ${cwd}`, { cause, fix: 'Go to the top folder of the checkout.' });
  });
  let images: z.infer<typeof named>['images'];
  try {
    ({ images } = named.parse(parse(text, { maxAliasCount: 20 })));
  } catch (cause) {
    throw new WaybillError('INVALID_INPUT', `${pipelineFile} cannot be read: ${messageOf(cause).split('\n')[0]}`, {
      cause,
      fix: 'waybill lint says what is wrong.',
    });
  }
  const dockerfiles = (images ?? []).flatMap(({ dockerfile }) =>
    dockerfile === undefined ? [] : [typeof dockerfile === 'string' ? dockerfile : (dockerfile.file ?? 'Dockerfile')],
  );
  return [pipelineFile, ...new Set(dockerfiles.filter((file) => !path.isAbsolute(file) && !file.split('/').includes('..')))];
}

function basesOf(file: string, text: string): string[] {
  const lines = text.split('\n').filter((line) => (file === pipelineFile ? /\bbase\s*:/ : /^\s*(?:FROM|ARG|COPY)\b/i).test(line));
  return lines.flatMap((line) => line.match(pinned) ?? []);
}

async function nowAt(context: CliContext, written: string): Promise<string> {
  const reference = parseReference(written);
  const { client, repository } = await connectTo(context, reference);
  using connected = client;
  const found = await connected.resolve(repository, reference.tag ?? 'latest', context.signal);
  if (!found) throw new WaybillError('NOT_FOUND', 'the tag is not there any more');
  return found.digest;
}
