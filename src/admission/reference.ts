import { isWaybillError } from '../kernel/error.ts';
import { parseReference } from '../oci/reference.ts';
import type { ImageUse } from '../policy/image-use.ts';

/** Reads one image text strictly. A short name is a problem: which registry it means is decided by each node for itself. */
export function imageUse(at: string, container: string | undefined, text: string): ImageUse {
  const where = { at, text, ...(container === undefined ? {} : { container }) };
  try {
    const { registry, ...rest } = parseReference(text);
    if (registry === undefined) return { ...where, problem: 'it names no registry, and what a short name means is decided by each node.' };
    return { ...where, reference: { registry, ...rest } };
  } catch (error) {
    if (!isWaybillError(error, 'INVALID_INPUT')) throw error;
    return {
      ...where,
      problem: 'it is not an image reference (REGISTRY/REPOSITORY:TAG@sha256:DIGEST, in lower case, with nothing around it).',
    };
  }
}
