import { keyOf, type ManifestNode } from './contents.ts';

/** Why a manifest stays, by `repository@digest`; what is not in it may go. */
export type Kept = ReadonlyMap<string, string>;

/** Tags that speak about the digest in their name: referrers' fallback index, cosign's signature and attestations. */
const about = /^(sha256|sha512)-([0-9a-f]{64,128})(?:\.(?:sig|att|sbom))?$/;

/**
 * Marks from the roots: members of an index stay with it, papers (referrers, cosign's tags) with the image that they are about, and go with
 * it. A paper is never a root of its own. Of later looks at an image the newest stays, and what is younger than `looksSince`.
 * @param rootReason why a manifest stays by itself; undefined when it does not
 * @param looksSince RFC 3339
 */
export function markKept(
  manifests: readonly ManifestNode[],
  rootReason: (node: ManifestNode) => string | undefined,
  looksSince: string,
): Kept {
  const byKey = new Map(manifests.map((node) => [keyOf(node), node]));
  const papers = Map.groupBy(
    manifests.flatMap((node) =>
      subjectsOf(node).map((subject) => ({ subject: keyOf({ repository: node.repository, digest: subject }), node })),
    ),
    (each) => each.subject,
  );
  const kept = new Map<string, string>();
  const mark = (node: ManifestNode, reason: string): void => {
    const key = keyOf(node);
    if (kept.has(key)) return;
    kept.set(key, reason);
    if (node.kind === 'index')
      for (const child of node.children ?? []) {
        const member = byKey.get(keyOf({ repository: node.repository, digest: child.digest }));
        if (member) mark(member, `part of ${node.digest}`);
      }
    const beside = (papers.get(key) ?? []).map((paper) => paper.node);
    for (const paper of withoutOldLooks(beside, looksSince)) mark(paper, `about ${node.digest}`);
  };
  for (const node of manifests) {
    const reason = rootReason(node);
    if (reason !== undefined) mark(node, reason);
  }
  return kept;
}

function withoutOldLooks(papers: readonly ManifestNode[], since: string): readonly ManifestNode[] {
  const newest = papers
    .flatMap(({ look }) => look ?? [])
    .toSorted()
    .at(-1);
  return papers.filter(({ look }) => look === undefined || look === newest || look > since);
}

/** What a manifest is a paper about: its subject, and the digests in the names of its tags. */
export function subjectsOf(node: ManifestNode): readonly string[] {
  const named = node.tags.flatMap((tag) => {
    const [, algorithm, hex] = about.exec(tag) ?? [];
    return algorithm === undefined || hex === undefined ? [] : [`${algorithm}:${hex}`];
  });
  return node.subject === undefined ? named : [node.subject, ...named];
}
