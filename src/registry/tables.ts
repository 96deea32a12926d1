import type { Generated } from 'kysely';

/** Which blob a repository may read: a blob on disk that has no row here does not exist for that repository. */
export type RegistryBlobTable = { repository: string; digest: string; size: number; added_at: string };

/** `content` is the manifest's exact bytes, which are UTF-8; `size` counts bytes. `annotations` is JSON. */
export type RegistryManifestTable = {
  repository: string;
  digest: string;
  media_type: string;
  content: string;
  size: number;
  subject: string | null;
  artifact_type: string | null;
  annotations: string | null;
  added_at: string;
};

export type RegistryTagTable = { repository: string; tag: string; digest: string; set_at: string };

/** One generation of an environment's pull secret. `repositories` is a JSON array. */
export type RegistryPullTokenTable = {
  username: string;
  environment: string;
  password_sha256: string;
  repositories: string;
  created_at: string;
  expires_at: string;
  /** 1: to a person, not to the environment itself. */
  handed_out: number;
};

/** `approvals` is a JSON array of `{reviewer, at}`. */
export type RegistryImportTable = {
  id: Generated<number>;
  reference: string;
  digest: string;
  repository: string;
  reason: string;
  requested_by: string;
  requested_at: string;
  state: string;
  approvals: string;
  imported_at: string | null;
  why: string | null;
  /** JSON of what is known about the upstream's signatures; null until they were looked for. */
  signatures: string | null;
  /** Digest of the record of the scan of what was copied; null: nobody looked. */
  scan: string | null;
  /** JSON of what scanners came to, before the copy or at it; null until somebody has looked. */
  look: string | null;
};

/** Whose signature is trusted for images of which upstreams. `required` is 0 or 1. */
export type RegistryTrustTable = {
  id: Generated<number>;
  images: string;
  /** Empty where there is an identity. */
  public_key: string;
  /** JSON of a Trusted without a key. */
  identity: string | null;
  key_id: string;
  required: number;
  signed_as: string | null;
  added_by: string;
  added_at: string;
};

export type RegistryTables = {
  registry_import: RegistryImportTable;
  registry_trust: RegistryTrustTable;
  registry_blob: RegistryBlobTable;
  registry_manifest: RegistryManifestTable;
  registry_tag: RegistryTagTable;
  registry_pull_token: RegistryPullTokenTable;
};
