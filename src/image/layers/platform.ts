import { WaybillError } from '../../kernel/error.ts';

/** image-spec image-index.md "platform": `linux`, `arm64`, `v8`. */
export type Platform = { readonly os: string; readonly architecture: string; readonly variant?: string };

/** As it is written everywhere: `linux/arm64`, `linux/arm/v7`. @throws WaybillError INVALID_INPUT */
export function parsePlatform(text: string): Platform {
  const [, os, architecture, variant] = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?$/.exec(text) ?? [];
  if (os === undefined || architecture === undefined)
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 100))} is no platform`, {
      fix: 'Write it as OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT: linux/arm64, linux/arm/v7.',
    });
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return `${os}/${architecture}${variant === undefined ? '' : `/${variant}`}`;
}

/** Whether an image for `offered` runs where `wanted` is; a variant counts when both name one. */
export function suits(offered: Partial<Platform> | undefined, wanted: Platform): boolean {
  if (offered?.os !== wanted.os || offered.architecture !== wanted.architecture) return false;
  return offered.variant === undefined || wanted.variant === undefined || offered.variant === wanted.variant;
}
