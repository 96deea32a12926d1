/**
 * Every error that Waybill can tell its user: code → what it is, what to do, and the HTTP status it maps to.
 * A new failure gets a row here; messages are not written anywhere else.
 */
export const errorTable = {
  INTERNAL: { title: 'Internal error', fix: 'This is a defect in Waybill. Report it with the log lines around it.', status: 500 },
  INVALID_INPUT: { title: 'Invalid input', fix: 'Correct the value that is named above.', status: 400 },
  NOT_FOUND: { title: 'Not found', fix: 'Check the name; the list commands show what exists.', status: 404 },
  CONFLICT: { title: 'Conflict', fix: 'Look at the present state and try again.', status: 409 },
  UNAUTHENTICATED: {
    title: 'Not logged in',
    fix: 'Give a token: `waybill login`, or the environment variable WAYBILL_TOKEN.',
    status: 401,
  },
  FORBIDDEN: { title: 'Not allowed', fix: 'Ask somebody whose role allows it.', status: 403 },
  LIMIT_EXCEEDED: {
    title: 'A limit was exceeded',
    fix: 'Make the input smaller, or ask an administrator to raise the limit.',
    status: 413,
  },
  DEADLINE_EXCEEDED: { title: 'It took too long', fix: 'Try again; if it stays slow, raise the timeout that is named above.', status: 504 },
  CANCELLED: { title: 'Cancelled', fix: 'Start it again if it was cancelled by mistake.', status: 409 },
  UNSUPPORTED: { title: 'Not supported yet by this version', fix: 'Remove it, or wait for a version that supports it.', status: 501 },
  MISSING_PROGRAM: {
    title: 'A program is missing on this machine',
    fix: 'Install the program that is named above and try again.',
    status: 500,
  },
  SECRET_UNREADABLE: {
    title: 'A sealed secret could not be opened',
    fix: 'Start with the master key it was sealed with; if that is gone, remove the secret and set it again.',
    status: 500,
  },
  CLUSTER_FAILED: {
    title: 'The cluster did not do what was asked',
    fix: 'Read the message of the API server above; `waybill environment list` shows which cluster it is.',
    status: 502,
  },
  ADMISSION_DENIED: {
    title: 'The cluster refused the object',
    fix: 'Do what the refusal above asks for, and deploy again.',
    status: 403,
  },
  ENGINE_FAILED: {
    title: 'The container engine of this host did not do what was asked',
    fix: 'Read the message of the engine above; try the same image with `podman run`.',
    status: 500,
  },
  NOT_FORWARD: {
    title: 'A deploy moves forward only',
    fix: 'Merge what is to be deployed onto what runs, or ask for an explicit rollback.',
    status: 409,
  },
  BUILD_FAILED: {
    title: 'The image could not be built',
    fix: 'Read the log of the image; the command that failed is its last line.',
    status: 409,
  },
  DEPLOY_FAILED: {
    title: 'The release did not become ready',
    fix: 'Mend what the sentence above names, and merge the change; what ran before still runs.',
    status: 409,
  },
  UNREACHABLE: { title: 'The server does not answer', fix: 'Check the address, and that `waybill server` runs.', status: 502 },
  IMAGE_LAYER_INVALID: {
    title: 'The image cannot be built from this tree',
    fix: 'Correct the layer in waybill.yaml, or what its `after` commands make, and propose the change again.',
    status: 422,
  },
  IMAGE_BASE_INVALID: {
    title: 'The base image cannot be used',
    fix: 'Name another base in waybill.yaml; it must be an image for the platform that is built.',
    status: 422,
  },
  STORE_FAILED: {
    title: 'The database could not be read or written',
    fix: 'Check disk space and permissions of the data directory.',
    status: 500,
  },
  DIGEST_MISMATCH: {
    title: 'Content does not have the digest that it should have',
    fix: 'Do not use it. Fetch it again; if it stays so, find out who changed it.',
    status: 502,
  },
  REGISTRY_FAILED: {
    title: 'The registry did not do what was asked',
    fix: 'Check that the registry is reachable, and look at its log.',
    status: 502,
  },
  GIT_FAILED: {
    title: 'Git failed',
    fix: 'Read what Git says above; check disk space and permissions of the repositories folder.',
    status: 500,
  },
  BUSY: { title: 'The server is busy', fix: 'Try again in a moment.', status: 503 },
  NOT_MERGEABLE: { title: 'The change cannot be merged yet', fix: 'Remove what is named above and merge again.', status: 409 },
  PAPER_MALFORMED: {
    title: 'A paper cannot be read',
    fix: 'Get the paper again from where it was made; `waybill verify IMAGE` lists the papers of an image.',
    status: 422,
  },
  PAPER_BAD_SIGNATURE: {
    title: 'The signature of a paper is wrong',
    fix: 'Do not use what it vouches for; find out in the ledger who wrote it.',
    status: 422,
  },
  PAPER_UNKNOWN_KEY: {
    title: 'A paper is signed by a key that is not known here',
    fix: 'If the key is yours, add its public key to the key ring.',
    status: 422,
  },
  PAPER_KEY_EXPIRED: {
    title: "A paper is from outside its key's time of validity",
    fix: 'Run the pipeline again, so that the present key signs.',
    status: 422,
  },
  PAPER_KEY_REVOKED: {
    title: 'A paper is signed by a revoked key',
    fix: 'Run the pipeline again, so that the present key signs.',
    status: 422,
  },
  SNAPSHOT_REFUSED: {
    title: 'The snapshot of the gate was refused',
    fix: 'Let the server publish a new snapshot: an older one than the present is never taken.',
    status: 409,
  },
  SCAN_FAILED: {
    title: 'A scan found what must not pass',
    fix: 'Mend what is named above, or have it waived in .waybill/waivers.yaml with a reason, an owner and an end.',
    status: 409,
  },
  VERDICT_REFUSED: {
    title: 'The signer does not sign this',
    fix: 'Get the paper that is named above, then try again.',
    status: 409,
  },
  SIGNER_UNREACHABLE: {
    title: 'The signer does not answer',
    fix: 'Start `waybill signer`, and check that this process may open its socket.',
    status: 503,
  },
  LEDGER_BROKEN: {
    title: 'The ledger is not what was signed',
    fix: 'Keep a copy of the database, and compare it with a backup from the time of the checkpoint that is named above.',
    status: 500,
  },
} as const satisfies Record<string, { title: string; fix: string; status: number }>;

export type ErrorCode = keyof typeof errorTable;
