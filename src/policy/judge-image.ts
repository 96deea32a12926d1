import type { ImportedEntry, SnapshotImage } from '../evidence/snapshot.ts';
import type { Digest } from '../kernel/digest.ts';
import { verdictOf, type RuleReason } from './combine.ts';
import type { EvidencePolicy, RuleName } from './evidence-policy.ts';
import type { ImageReference, ImageUse } from './image-use.ts';
import { printable, quoted } from './printable.ts';
import { judgeScans } from './judge-scans.ts';
import { undecided, type Verdict } from './verdict.ts';

/** What the gate knows at this moment. */
export type Knowledge = {
  /** Every entry for the digest: identical images may come from several repositories or runs. */
  images(digest: Digest): readonly SnapshotImage[];
  /** Why the digest must not run any more. */
  revoked(digest: Digest): string | undefined;
  /** A sentence when the knowledge is older than it should be. */
  readonly ageWarning?: string;
  /** A sentence when there is no knowledge at all; then nothing is known, and this says why. */
  readonly absent?: string;
  /** A sentence when looking for a digest that is unknown failed, so that an outage is not taken for a missing paper. */
  readonly lookupFailure?: string;
};

type Finding = { readonly rule: RuleName; readonly message: string; readonly fix: string; readonly warns?: true };

/**
 * Judges one image against a policy. Pure: everything it needs is an argument. A verdict starts at deny and becomes
 * `allow` only after every rule was asked; the reasons say what is missing and how to get it. In mode `warn` and
 * `audit` the same reasons lead to `warn` and `allow`.
 */
export function judgeImage(use: ImageUse, policy: EvidencePolicy, knowledge: Knowledge, now: Date): Verdict {
  let verdict = undecided;
  const at = use.container === undefined ? use.at : `${use.at} (container ${quoted(use.container)})`;
  const reasons = findings(use, policy, knowledge, now).map((finding): RuleReason => ({ at, ...finding }));
  if (knowledge.ageWarning !== undefined) {
    reasons.push({
      rule: 'snapshot',
      message: knowledge.ageWarning,
      fix: 'Ask an administrator why the gate gets no new snapshot from the server.',
    });
  }
  verdict = verdictOf(reasons, policy);
  return verdict;
}

function findings(use: ImageUse, policy: EvidencePolicy, knowledge: Knowledge, now: Date): readonly Finding[] {
  const image = quoted(use.text);
  if (!use.reference) {
    return [
      { rule: 'reference', message: `Image ${image}: ${use.problem}`, fix: 'Write it as REGISTRY/REPOSITORY@sha256:DIGEST, in full.' },
    ];
  }
  const { reference } = use;
  const found: Finding[] = [];
  const places = [...policy.registry, ...copiesAt(reference, policy).map((copy) => copy.registry)];
  if (!places.some((allowed) => inRegistry(reference, allowed))) {
    found.push({
      rule: 'registry',
      message: `Image ${image} comes from ${reference.registry}/${reference.repository}, which is not allowed here (allowed: ${[...policy.registry, ...(policy.copies ?? []).map((copy) => copy.registry)].join(', ')}).`,
      fix: 'Let a run build the image, and deploy the reference that `waybill runs show RUN` prints; for a third-party image: waybill image import REFERENCE --reason ….',
    });
  }
  if (reference.digest === undefined) {
    const why =
      reference.tag === undefined ? 'without a tag it means `latest`, which can be moved' : `the tag \`${reference.tag}\` can be moved`;
    found.push({
      rule: 'digest',
      message: `Image ${image} has no digest: ${why}.`,
      fix: 'Deploy it with `waybill`, which writes the digest, or add the @sha256:… that `waybill runs show RUN` prints.',
    });
    return found;
  }
  const revoked = knowledge.revoked(reference.digest);
  if (revoked !== undefined) {
    found.push({
      rule: 'revoked',
      message: `Image ${image} was revoked: ${printable(revoked)}.`,
      fix: `Deploy a newer image; \`waybill trace ${reference.digest}\` shows which run made this one.`,
    });
  }
  return [...found, ...paperFindings(image, reference, reference.digest, policy, knowledge, now)];
}

function paperFindings(
  image: string,
  reference: ImageReference,
  digest: Digest,
  policy: EvidencePolicy,
  knowledge: Knowledge,
  now: Date,
): readonly Finding[] {
  const known = knowledge.images(digest).filter((entry) => entry.digest === digest);
  const here = known.filter((entry) => standsFor(reference, entry.repository, policy));
  const [first, ...others] = here.map((entry) => judgeEntry(image, entry, policy, now));
  if (first !== undefined) return others.reduce((best, next) => (weight(next) < weight(best) ? next : best), first);
  if (knowledge.absent !== undefined) {
    return [
      {
        rule: 'papers',
        message: `Image ${image} cannot be judged: ${knowledge.absent}`,
        fix: 'Connect the gate to its server once, or give it a snapshot file.',
      },
    ];
  }
  const [elsewhere] = known;
  if (elsewhere) {
    return [
      {
        rule: 'papers',
        message: `Image ${image} has papers for the repository ${elsewhere.repository}, not for ${reference.repository}.`,
        fix: `Name it as ${nameAt(reference, elsewhere.repository, policy)}@${digest}.`,
      },
    ];
  }
  return [
    {
      rule: 'papers',
      message: `Image ${image} has no papers: no run of this Waybill vouches for its digest.${knowledge.lookupFailure === undefined ? '' : ` ${knowledge.lookupFailure}`}`,
      fix: `Merge the change and let its run build the image; \`waybill trace ${digest}\` shows what is known about it.`,
    },
  ];
}

/** What is refused counts before what is only warned of. */
const weight = (found: readonly Finding[]): number => found.reduce((sum, { warns }) => sum + (warns ? 1 : 1_000), 0);

/** A third-party image: who vouched for it, and until when. */
function judgeImport(image: string, entry: ImportedEntry, { require }: EvidencePolicy, now: Date): readonly Finding[] {
  const { number, reference, requestedBy, approvals, signedBy } = entry.imported;
  const found: Finding[] = [];
  const say = (rule: RuleName, message: string, fix: string): void => void found.push({ rule, message: `Image ${image} ${message}.`, fix });
  const again = `\`waybill image import ${printable(reference)} --reason …\``;
  if (!(Date.parse(entry.validUntil) > now.getTime()))
    say('validity', `was imported with papers that held until ${printable(entry.validUntil)}`, `Have it vouched for again: ${again}.`);
  if (require.imports === false)
    say(
      'imports',
      `was imported from ${printable(reference)}, and no imported images are admitted here`,
      'Build it by a run, or ask an administrator for `imports` in the policy.',
    );
  else {
    const people = distinct(approvals.filter((who) => who !== requestedBy));
    if (people < require.imports.approvals)
      say(
        'imports',
        `was vouched for by ${people} of the ${require.imports.approvals} people that are asked for (import ${number})`,
        `Ask more people before it is copied: ${again}.`,
      );
    if (require.imports.signed === true && (signedBy ?? []).length === 0)
      say(
        'imports',
        `was imported from ${printable(reference)} without a signature of its upstream by a trusted key (import ${number})`,
        `Have the key of the upstream trusted (\`waybill image trust add\`), and import it again: ${again}.`,
      );
  }
  return found;
}

function distinct(people: readonly string[]): number {
  return new Set(people.map((who) => who.normalize('NFKC').trim().toLowerCase()).filter((who) => who !== '')).size;
}

function judgeEntry(image: string, entry: SnapshotImage, policy: EvidencePolicy, now: Date): readonly Finding[] {
  if (entry.imported) return judgeImport(image, entry, policy, now);
  const { require } = policy;
  const found: Finding[] = [];
  const say = (rule: RuleName, message: string, fix: string): void => void found.push({ rule, message: `Image ${image} ${message}.`, fix });
  const run = `\`waybill runs show ${entry.run}\``;

  if (entry.review === undefined && entry.tests.length === 0 && !entry.provenance) {
    say(
      'papers',
      'has empty papers: neither review, tests nor provenance',
      `See ${run} for the papers that were not made, and run it again.`,
    );
    return found;
  }
  // An unreadable date is NaN, and NaN is not in the future.
  if (!(Date.parse(entry.validUntil) > now.getTime())) {
    say('validity', `has papers that held until ${printable(entry.validUntil)}`, `Run ${run} again, or deploy a newer image.`);
  }
  if (require.review.approvals > 0 || require.review.identical === true) {
    const people = distinct(entry.review?.approvals ?? []);
    if (!entry.review) {
      say(
        'review',
        `has no review paper (commit ${entry.source.commit.slice(0, 12)})`,
        `Propose the commit as a change and have it approved; ${run} shows where it came from.`,
      );
    } else {
      if (people < require.review.approvals) {
        say(
          'review',
          `was approved by ${people} of the ${require.review.approvals} people that are asked for`,
          `\`waybill change show ${entry.review.change}\` shows who may approve; approvals count only before the merge.`,
        );
      }
      if (require.review.identical === true && entry.review.method !== 'identical') {
        say(
          'review',
          'was merged onto a branch that had moved, so its tree is not the one that was reviewed',
          `Bring change ${entry.review.change} up to date and have it approved again before the merge (\`waybill change show ${entry.review.change}\`).`,
        );
      }
    }
  }
  if (require.tests === 'all') {
    if (entry.tests.length === 0) say('tests', 'has no test paper of any stage', `${run} shows which stages ran.`);
    for (const test of entry.tests) if (!test.passed) say('tests', `did not pass the stage ${quoted(test.stage)}`, `${run} shows why.`);
  } else {
    for (const stage of require.tests) {
      const results = entry.tests.filter((test) => test.stage === stage);
      if (results.length === 0)
        say('tests', `has no test paper of the stage ${quoted(stage)}`, `Add the stage to the pipeline file, or see ${run}.`);
      else if (!results.every((test) => test.passed)) say('tests', `did not pass the stage ${quoted(stage)}`, `${run} shows why.`);
    }
  }
  if (require.provenance && !entry.provenance)
    say('provenance', 'has no provenance paper', `Let ${run} be run again: the build leaves it.`);
  for (const { message, ...rest } of judgeScans(entry, require.scans, now))
    found.push({ rule: 'scans', message: `Image ${image} ${message}.`, ...rest });
  return found;
}

type CopyPlace = NonNullable<EvidencePolicy['copies']>[number];

function copiesAt(reference: ImageReference, policy: EvidencePolicy): readonly CopyPlace[] {
  return (policy.copies ?? []).filter((copy) => inRegistry(reference, copy.registry));
}

/** The one name that a copy of our repository has at a place: the namings of `src/registry/external/naming.ts`. */
function copyName({ registry, naming }: CopyPlace, repository: string): string {
  return `${registry}/${naming === 'flat' ? repository.replaceAll('/', '-') : repository}`;
}

/** Whether what the reference names is our repository, or the copy of it at a place where runs publish. */
function standsFor(reference: ImageReference, repository: string, policy: EvidencePolicy): boolean {
  const copies = copiesAt(reference, policy);
  if (copies.some((copy) => copyName(copy, repository) === `${reference.registry}/${reference.repository}`)) return true;
  // At a place of copies alone, our own name means nothing.
  const ours = copies.length === 0 || policy.registry.some((allowed) => inRegistry(reference, allowed));
  return ours && repository === reference.repository;
}

function nameAt(reference: ImageReference, repository: string, policy: EvidencePolicy): string {
  const [copy] = copiesAt(reference, policy);
  return copy === undefined ? `${reference.registry}/${repository}` : copyName(copy, repository);
}

/** Whole hosts and whole path segments only: `r.example` allows neither `r.example.evil.com` nor `r.example:5000`. */
function inRegistry(reference: ImageReference, allowed: string): boolean {
  const slash = allowed.indexOf('/');
  if (slash === -1) return reference.registry === allowed;
  const prefix = allowed.slice(slash + 1);
  return (
    reference.registry === allowed.slice(0, slash) && (reference.repository === prefix || reference.repository.startsWith(`${prefix}/`))
  );
}
