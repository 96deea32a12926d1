import { z } from 'zod';
import type { Digest } from '../../kernel/digest.ts';
import { isDigest } from '../../kernel/digest.ts';
import type { ImageConfig } from '../../plan/plan.ts';
import type { Platform } from './platform.ts';

const strings = z.record(z.string(), z.string());
const list = z.array(z.string()).nullish();

/** The part of a base image's configuration that is read (OCI image-spec, config.md); what it says beyond that is dropped. */
export const imageConfigSchema = z.object({
  architecture: z.string(),
  os: z.string(),
  variant: z.string().exactOptional(),
  config: z
    .object({
      User: z.string().optional(),
      ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
      Env: list,
      Entrypoint: list,
      Cmd: list,
      Volumes: z.record(z.string(), z.unknown()).nullish(),
      WorkingDir: z.string().optional(),
      Labels: strings.nullish(),
      StopSignal: z.string().optional(),
    })
    .nullish(),
  rootfs: z.object({
    type: z.literal('layers'),
    diff_ids: z.array(z.custom<Digest>((value) => typeof value === 'string' && isDigest(value))),
  }),
  history: z
    .array(
      z.object({
        created: z.string().optional(),
        created_by: z.string().optional(),
        author: z.string().optional(),
        comment: z.string().optional(),
        empty_layer: z.boolean().optional(),
      }),
    )
    .nullish(),
});
export type ImageConfigFile = z.infer<typeof imageConfigSchema>;

/**
 * The configuration of an image: the base's, with ours over it. Keys come in one fixed order, so equal inputs give equal bytes.
 * An entry point of ours drops the base's command, which was meant for the base's entry point.
 */
export function imageConfig(input: {
  readonly platform: Platform;
  readonly created: Date;
  readonly config: ImageConfig;
  readonly base?: ImageConfigFile | undefined;
  /** Labels that the pipeline sets; those of the pipeline file win over them. */
  readonly labels: Readonly<Record<string, string>>;
  readonly layers: readonly { readonly diffId: Digest; readonly from: string; readonly to: string; readonly part?: string }[];
}): ImageConfigFile & { created: string } {
  const { config, platform, layers } = input;
  const base = input.base?.config ?? {};
  const created = seconds(input.created);
  const variant = platform.variant ?? input.base?.variant;
  const ports = { ...base.ExposedPorts, ...Object.fromEntries((config.ports ?? []).map((port) => [`${port}/tcp`, {}])) };
  const labels = { ...base.Labels, ...input.labels, ...config.labels };
  const env = environment(base.Env ?? [], config.env ?? {});
  const entrypoint = config.entrypoint ?? base.Entrypoint;
  const cmd = config.cmd ?? (config.entrypoint ? undefined : base.Cmd);
  const user = config.user ?? base.User;
  const workdir = config.workdir ?? base.WorkingDir;
  return {
    created,
    architecture: platform.architecture,
    os: platform.os,
    ...(variant !== undefined && { variant }),
    config: {
      ...(user && { User: user }),
      ...(Object.keys(ports).length > 0 && { ExposedPorts: sorted(ports) }),
      ...(env.length > 0 && { Env: env }),
      ...(entrypoint && { Entrypoint: [...entrypoint] }),
      ...(cmd && { Cmd: [...cmd] }),
      ...(base.Volumes && { Volumes: sorted(base.Volumes) }),
      ...(workdir && { WorkingDir: workdir }),
      ...(Object.keys(labels).length > 0 && { Labels: sorted(labels) }),
      ...(base.StopSignal && { StopSignal: base.StopSignal }),
    },
    rootfs: { type: 'layers', diff_ids: [...(input.base?.rootfs.diff_ids ?? []), ...layers.map((layer) => layer.diffId)] },
    history: [...(input.base?.history ?? []), ...layers.map((layer) => ({ created, created_by: `waybill: ${describe(layer)}` }))],
  };
}

function describe({ from, to, part }: { from: string; to: string; part?: string }): string {
  return `${from} -> ${to}${part === undefined ? '' : ` (${part})`}`;
}

/** RFC 3339 without fractions: what SOURCE_DATE_EPOCH can say. */
export function seconds(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** The base's variables in their order, replaced in place; new ones behind, in the order of the pipeline file. */
function environment(base: readonly string[], own: Readonly<Record<string, string>>): string[] {
  const variables = new Map(base.map((line) => [line.split('=', 1)[0] ?? '', line]));
  for (const [key, value] of Object.entries(own)) variables.set(key, `${key}=${value}`);
  return [...variables.values()];
}

function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
