import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { pack, type Header } from 'tar-stream';
import { digestOf } from '../../kernel/digest.ts';
import { openDatabase } from '../advisories/database.ts';
import type { Inventory } from '../component.ts';
import type { ScanReport } from '../report.ts';
import { fillExample } from '../secrets/examples.ts';
import { derivedSalt } from '../secrets/fingerprint.ts';
import { builtInRuleSet } from '../secrets/repository-rules.ts';
import type { ImageLayer, ImagePlatform, LayeredImage } from './layered-image.ts';
import { scanImage, type ImageScan, type ScannedLayers } from './scan-image.ts';

/** For tests: names to contents; a name that ends with `/` is a folder. `[content, header]` says more. */
export type Tree = Readonly<Record<string, string | Buffer | readonly [string | Buffer, Partial<Header>]>>;

export const secret = fillExample('ghp_<crc62>', 'image');

export async function tarOf(tree: Tree): Promise<Buffer> {
  const tar = pack();
  const whole = buffer(tar);
  for (const [name, entry] of Object.entries(tree)) {
    const [content, header] = typeof entry === 'string' || Buffer.isBuffer(entry) ? [entry, {}] : entry;
    if (name.endsWith('/')) tar.entry({ name, type: 'directory', ...header });
    else if (header.type !== undefined && header.type !== 'file') tar.entry({ name, ...header });
    else tar.entry({ name, mode: 0o644, ...header }, Buffer.from(content));
  }
  tar.finalize();
  return whole;
}

export const link = (to: string) => ['', { type: 'link', linkname: to } as const] as const;
export const symlink = (to: string) => ['', { type: 'symlink', linkname: to } as const] as const;

const types = {
  plain: (bytes: Buffer) => ['application/vnd.oci.image.layer.v1.tar', bytes] as const,
  gzip: (bytes: Buffer) => ['application/vnd.docker.image.rootfs.diff.tar.gzip', gzipSync(bytes)] as const,
  zstd: (bytes: Buffer) => ['application/vnd.oci.image.layer.v1.tar+zstd', zstdCompressSync(bytes)] as const,
};

export async function layerOf(
  content: Tree | Buffer,
  more: Partial<ImageLayer> & { readonly as?: keyof typeof types } = {},
): Promise<ImageLayer> {
  const { as = 'plain', ...rest } = more;
  const [mediaType, bytes] = types[as](Buffer.isBuffer(content) ? content : await tarOf(content));
  return { digest: digestOf(bytes), mediaType, createdBy: 'COPY . .', open: async () => Readable.from([bytes]), ...rest };
}

export function imageOf(layers: readonly ImageLayer[], more: Partial<ImagePlatform> = {}): LayeredImage {
  return {
    name: 'registry.test/shop:1',
    digest: digestOf('shop'),
    platforms: [{ platform: 'linux/amd64', user: '1000', configText: '{}', layers, ...more }],
  };
}

/** Against a database without advisories, unless another is given. */
export async function scanned(image: LayeredImage | readonly (Tree | Buffer)[], more: Partial<ImageScan> = {}): Promise<ScannedLayers> {
  using database = await openDatabase('/nonexistent/advisories');
  const layered = 'platforms' in image ? image : imageOf(await Promise.all(image.map((layer) => layerOf(layer))));
  return await scanImage({
    image: layered,
    database,
    rules: builtInRuleSet(),
    salt: derivedSalt(['a']),
    scanner: 'waybill test',
    clock: { now: () => new Date('2026-03-01T00:00:00Z') },
    signal: AbortSignal.timeout(120_000),
    ...more,
  });
}

export const purls = ({ components }: Inventory): readonly string[] => components.map(({ purl }) => purl);
export const gaps = ({ coverage }: ScanReport): readonly string[] =>
  coverage.skipped.filter(({ reason }) => reason !== 'excluded' && reason !== 'covered').map(({ path, reason }) => `${path} ${reason}`);
