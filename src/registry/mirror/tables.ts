/** Content by the server that it was fetched from; times are ISO 8601. `content` is the manifest's exact bytes, which are UTF-8. */
export type MirrorManifestTable = {
  server: string;
  repository: string;
  digest: string;
  media_type: string;
  content: string;
  size: number;
  fetched_at: string;
  used_at: string;
};

/** `checked_at`: when the server last said that the tag is this digest. */
export type MirrorTagTable = { server: string; repository: string; tag: string; digest: string; checked_at: string };

/** The file is in the mirror's own folder. */
export type MirrorBlobTable = { server: string; digest: string; size: number; fetched_at: string; used_at: string };

export type MirrorTables = { mirror_manifest: MirrorManifestTable; mirror_tag: MirrorTagTable; mirror_blob: MirrorBlobTable };
