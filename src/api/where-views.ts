import { z } from 'zod';

const component = z.object({
  purl: z.string(),
  ecosystem: z.string(),
  name: z.string(),
  version: z.string(),
  /** The source package, with its version, where it was found by that. */
  source: z.string().exactOptional(),
  advisory: z.object({ id: z.string(), severity: z.string(), fixed: z.array(z.string()), firstSeen: z.string() }).exactOptional(),
});

const podView = z.object({ environment: z.string(), workload: z.string(), pod: z.string(), container: z.string() });

/** Which images, releases, environments and pods have it. */
export const whereView = z.object({
  asked: z.string(),
  kind: z.enum(['package', 'advisory']),
  /** At most 200. */
  components: z.array(component),
  componentCount: z.number(),
  /** Those that run or were released, all; and the newest of the others. */
  images: z.array(
    z.object({
      repository: z.string(),
      digest: z.string(),
      /** That made it. */
      run: z.number().exactOptional(),
      /** By which people vouched for it; for a third-party image, in place of the run. */
      import: z.number().exactOptional(),
      indexedAt: z.string(),
      inRegistry: z.boolean(),
      /** `runs`: some pod does. `released`: to an environment, now or once. `registry`: neither is known. */
      use: z.enum(['runs', 'released', 'registry']),
      has: z.array(
        z.object({
          purl: z.string(),
          foundIn: z.enum(['image', 'source']),
          /** How it came in: from a project or a direct dependency down to it. */
          way: z.array(z.string()),
        }),
      ),
      releases: z.array(
        z.object({ environment: z.string(), id: z.number(), repository: z.string(), status: z.string(), current: z.boolean() }),
      ),
      pods: z.array(podView),
    }),
  ),
  imageCount: z.number(),
  /** Of that name, with a version that cannot be compared with the range: it may be one of them. */
  unclear: z.array(component),
  unclearCount: z.number(),
  looked: z.object({
    images: z.number(),
    components: z.number(),
    advisories: z
      .array(z.object({ ecosystem: z.string(), advisories: z.number(), digest: z.string(), updatedAt: z.string() }))
      .exactOptional(),
  }),
  environments: z.array(z.object({ name: z.string(), answered: z.boolean(), containers: z.number(), why: z.string().exactOptional() })),
  /** Runs, but nobody knows what it consists of: at most 200. */
  unknown: z.array(z.object({ ...podView.shape, image: z.string(), digest: z.string().exactOptional() })),
  unknownCount: z.number(),
  notes: z.array(z.string()),
});
export type WhereView = z.output<typeof whereView>;

/** An advisory that was published after images with what it is about had been looked at. */
export const newlyVulnerableView = z.object({
  advisory: z.string(),
  severity: z.string(),
  title: z.string(),
  firstSeen: z.string(),
  components: z.array(z.object({ purl: z.string(), fixed: z.array(z.string()) })),
  images: z.array(
    z.object({
      repository: z.string(),
      digest: z.string(),
      /** The newest image of that name that does not have it. */
      newestWithout: z.string().exactOptional(),
      /** Environments whose current release it is. */
      environments: z.array(z.string()),
      pods: z.array(podView),
    }),
  ),
  imageCount: z.number(),
});
export type NewlyVulnerableView = z.output<typeof newlyVulnerableView>;

export const newlyVulnerableReply = z.object({
  since: z.string(),
  news: z.array(newlyVulnerableView),
  environments: whereView.shape.environments,
});
export type NewlyVulnerableReply = z.output<typeof newlyVulnerableReply>;
