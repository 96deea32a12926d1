import { z } from 'zod';

export const personView = z.object({
  id: z.string(),
  name: z.string(),
  emails: z.array(z.string()),
  role: z.enum(['developer', 'reviewer', 'admin']),
});
export type PersonView = z.output<typeof personView>;

export const tokenView = z.object({
  id: z.string(),
  person: z.string(),
  label: z.string(),
  createdAt: z.string(),
  expiresAt: z.string().optional(),
});
