import { z } from 'zod';
import { isPathPattern } from '../kernel/path-pattern.ts';

const pattern = z
  .string()
  .refine(isPathPattern, 'must be a name in lower case with * (within a part) or ** (anything): docker.io/library/*');

/** Which bases images may be built upon. Without it, every base with papers; with it, none but those that a rule covers. `scratch` is no base. */
export const basesConfig = z.strictObject({
  allow: z
    .array(
      z.strictObject({
        repository: pattern.optional(),
        upstream: pattern.optional(),
        from: z.enum(['build', 'import']).optional(),
        pinned: z.boolean().optional(),
        maxAgeDays: z.number().positive().max(36_500).optional(),
      }),
    )
    .max(100),
});
