import { compareBuild, parse as parseStrict, type SemVer } from 'semver';
import { versionOrder } from './order.ts';

/** `1` and `1.2` stand in advisories and lock files where `1.0.0` and `1.2.0` are meant. */
const short = /^(\d+)(\.\d+)?(?![\d.])/;

function parse(text: string): SemVer | undefined {
  const bare = text.trim().replace(/^[=v]+/, '');
  return read(bare) ?? read(bare.replace(short, (_, major: string, minor: string | undefined) => `${major}${minor ?? '.0'}.0`));
}

/** As npm reads what is in its registry: also `1.2.3beta`, which is older than the rules. */
function read(text: string): SemVer | undefined {
  return parseStrict(text) ?? parseStrict(text, { loose: true }) ?? undefined;
}

/** Semantic Versioning 2.0.0, section 11; node-semver is what npm itself uses. Build metadata does not count. */
export const semverOrder = versionOrder('SemVer', parse, (a, b) => a.compare(b));

/** Pub counts build metadata: `1.0.0` is before `1.0.0+1` (dart.dev/tools/pub/versioning). */
export const pubOrder = versionOrder('SemVer with build', parse, compareBuild);

/** `go1.21`, `go1.21rc2` as the toolchain calls itself; advisories about it write `1.21.0-rc.2`. */
const toolchain = /^go(\d+)\.(\d+)(?:\.(\d+))?(?:(rc|beta)(\d+))?(?:[-\s].*)?$/;

/** Modules have semantic versions with a `v` (go.dev/ref/mod#versions): pseudo-versions are pre-releases, `+incompatible` is build metadata. */
export const goOrder = versionOrder(
  'Go',
  (text) => {
    const [whole, major, minor, patch = '0', phase, number] = toolchain.exec(text) ?? [];
    return whole === undefined ? parse(text) : parse(`${major}.${minor}.${patch}${phase === undefined ? '' : `-${phase}.${number}`}`);
  },
  (a, b) => a.compare(b),
);
