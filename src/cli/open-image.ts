import { existsSync } from 'node:fs';
import path from 'node:path';
import { readLayoutImage, readRegistryImage, type ImageReader } from '../image/inspect/image-reader.ts';
import { isDigest } from '../kernel/digest.ts';
import { parseReference } from '../oci/reference.ts';
import type { CliContext } from './context.ts';
import { connectTo } from './registry-connection.ts';

/** `LAYOUT`, `LAYOUT:NAME` or `LAYOUT@sha256:…` when there is such a folder; undefined for what can only be a reference. */
export function layoutPath(cwd: string, text: string): { folder: string; name: string | undefined } | undefined {
  const written = text.startsWith('oci:') ? text.slice('oci:'.length) : text;
  const candidates: [string, string | undefined][] = [[written, undefined]];
  const at = written.lastIndexOf('@');
  if (at > 0 && isDigest(written.slice(at + 1))) candidates.push([written.slice(0, at), written.slice(at + 1)]);
  for (let colon = written.indexOf(':'); colon > 0; colon = written.indexOf(':', colon + 1))
    candidates.push([written.slice(0, colon), written.slice(colon + 1)]);
  for (const [folder, name] of candidates) {
    const whole = path.resolve(cwd, folder);
    if (existsSync(path.join(whole, 'oci-layout'))) return { folder: whole, name };
  }
  return text.startsWith('oci:') ? { folder: path.resolve(cwd, written), name: undefined } : undefined;
}

/**
 * An image by what a person writes: a layout on this disk, or a reference. Its connections live until the stack is disposed.
 * @throws WaybillError NOT_FOUND, INVALID_INPUT, UNAUTHENTICATED, REGISTRY_FAILED
 */
export async function openImage(context: CliContext, text: string, stack: DisposableStack): Promise<ImageReader> {
  const layout = layoutPath(context.cwd, text);
  if (layout) return await readLayoutImage(layout.folder, layout.name);
  const reference = parseReference(text);
  const { client, repository } = await connectTo(context, reference);
  stack.use(client);
  return await readRegistryImage(client, repository, reference.digest ?? reference.tag ?? 'latest', context.signal);
}
