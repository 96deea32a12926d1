import { z } from 'zod';

const groupVersionKind = z.object({ group: z.string().max(253), version: z.string().max(63), kind: z.string().min(1).max(63) });

/** `admission.k8s.io/v1` AdmissionReview, request part (k8s.io/api/admission/v1/types.go): what the gate reads of it. */
export const admissionReviewSchema = z.object({
  apiVersion: z.literal('admission.k8s.io/v1'),
  kind: z.literal('AdmissionReview'),
  request: z.object({
    uid: z.string().min(1).max(253),
    kind: groupVersionKind,
    subResource: z.string().max(63).optional(),
    name: z.string().max(253).optional(),
    namespace: z.string().max(63).optional(),
    operation: z.enum(['CREATE', 'UPDATE', 'DELETE', 'CONNECT']),
    userInfo: z.object({ username: z.string().optional() }).optional(),
    object: z.unknown().optional(),
    oldObject: z.unknown().optional(),
    dryRun: z.boolean().nullish(),
  }),
});

export type AdmissionRequest = z.infer<typeof admissionReviewSchema>['request'];

/** The answer. `code` 403 with one paragraph when denied; warnings reach the user's terminal. */
export type AdmissionAnswer = {
  readonly apiVersion: 'admission.k8s.io/v1';
  readonly kind: 'AdmissionReview';
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
    readonly warnings?: readonly string[];
    readonly auditAnnotations?: Readonly<Record<string, string>>;
  };
};
