import { parse } from 'smol-toml';
import { decode, entries, field, list, parseJson } from '../json.ts';
import { baseName, type Lack, type Reader } from '../reader.ts';

const limit = 4 * 1024 * 1024;

/** A file that asks for libraries and locks none. One that asks for none, or is none of its kind (a template), says nothing. */
function manifest(what: string, wants: (name: string) => boolean, asks: (bytes: Buffer) => boolean, lack: Lack): Reader {
  return {
    what,
    wants: (path) => wants(baseName(path)),
    limit,
    read(bytes) {
      const nothing = { components: [], needs: [], skipped: [] };
      let asked: boolean;
      try {
        asked = asks(bytes);
      } catch {
        // Templates of generators and broken fixtures of tests are named like manifests.
        return nothing;
      }
      return asked ? { ...nothing, lacks: lack } : nothing;
    },
  };
}

const hasEntries = (value: unknown): boolean => entries(value).length > 0;
const hasItems = (value: unknown): boolean => list(value).length > 0;

const packageJson = manifest(
  'package.json',
  (name) => name === 'package.json',
  (bytes) => {
    const value = parseJson(bytes);
    return ['dependencies', 'devDependencies', 'optionalDependencies'].some((kind) => hasEntries(field(value, kind)));
  },
  {
    locks: /^(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?)$/,
    above: true,
    detail:
      'it asks for packages, and nothing is locked: there is no lock file beside it or above it; run: npm install --package-lock-only',
  },
);

const cargoToml = manifest(
  'Cargo.toml',
  (name) => name === 'Cargo.toml',
  (bytes) => {
    const value = parse(decode(bytes));
    const kinds = ['dependencies', 'dev-dependencies', 'build-dependencies'];
    const platforms = entries(field(value, 'target')).map(([, one]) => one);
    return [value, field(value, 'workspace'), ...platforms].some((one) => kinds.some((kind) => hasEntries(field(one, kind))));
  },
  {
    locks: /^Cargo\.lock$/,
    above: true,
    detail: 'it asks for crates, and nothing is locked: there is no Cargo.lock beside it or above it; run: cargo generate-lockfile',
  },
);

const pyproject = manifest(
  'pyproject.toml',
  (name) => name === 'pyproject.toml',
  (bytes) => {
    const value = parse(decode(bytes));
    const project = field(value, 'project');
    const poetry = field(field(value, 'tool'), 'poetry');
    const named = entries(field(poetry, 'dependencies')).some(([name]) => name !== 'python');
    const groups = [field(project, 'optional-dependencies'), field(value, 'dependency-groups')];
    const poetryGroups = entries(field(poetry, 'group')).some(([, group]) => hasEntries(field(group, 'dependencies')));
    return (
      hasItems(field(project, 'dependencies')) ||
      named ||
      poetryGroups ||
      groups.some((one) => entries(one).some(([, all]) => hasItems(all)))
    );
  },
  {
    locks: /^(?:poetry\.lock|uv\.lock|pdm\.lock|Pipfile\.lock|pylock(?:\.[^.]+)?\.toml|.*requirements.*\.txt)$/,
    above: true,
    detail: 'it asks for packages, and nothing is locked: there is no lock file of pip, Poetry, uv, PDM or Pipenv beside it or above it',
  },
);

const pipfile = manifest(
  'Pipfile',
  (name) => name === 'Pipfile',
  (bytes) => {
    const value = parse(decode(bytes));
    return ['packages', 'dev-packages'].some((kind) => hasEntries(field(value, kind)));
  },
  { locks: /^Pipfile\.lock$/, above: false, detail: 'it asks for packages, and there is no Pipfile.lock beside it; run: pipenv lock' },
);

const composerJson = manifest(
  'composer.json',
  (name) => name === 'composer.json',
  (bytes) => {
    const value = parseJson(bytes);
    // Names without a slash are PHP itself and its extensions.
    return ['require', 'require-dev'].some((kind) => entries(field(value, kind)).some(([name]) => name.includes('/')));
  },
  {
    locks: /^composer\.lock$/,
    above: true,
    detail: 'it asks for packages, and there is no composer.lock beside it or above it; run: composer update --no-install',
  },
);

const gemfile = manifest(
  'Gemfile',
  (name) => name === 'Gemfile' || name === 'gems.rb',
  (bytes) => /^[ \t]*(?:gem[ \t(]+["']|gemspec\b)/m.test(decode(bytes)),
  {
    locks: /^(?:Gemfile\.lock|gems\.locked)$/,
    above: false,
    detail: 'it asks for gems, and there is no Gemfile.lock beside it; run: bundle lock',
  },
);

const gradleBuild = manifest(
  'build.gradle',
  (name) => /^build\.gradle(?:\.kts)?$/.test(name),
  (bytes) => /^[ \t]*dependencies[ \t]*\{/m.test(decode(bytes)),
  {
    locks: /^gradle\.lockfile$|\.lockfile$/,
    above: false,
    detail: 'a build of Gradle without gradle.lockfile is not locked: gradle dependencies --write-locks',
  },
);

const dotnetProject = manifest(
  '*.csproj',
  (name) => /\.(?:cs|fs|vb)proj$/.test(name),
  (bytes) => /<PackageReference\s/.test(decode(bytes)),
  {
    locks: /^packages(?:\..+)?\.lock\.json$/,
    above: false,
    detail: 'it asks for packages, and there is no packages.lock.json beside it; run: dotnet restore --use-lock-file',
  },
);

/** What is only asked for; a pom.xml is named in `unread.ts`. */
export const manifestReaders: readonly Reader[] = [
  packageJson,
  cargoToml,
  pyproject,
  pipfile,
  composerJson,
  gemfile,
  gradleBuild,
  dotnetProject,
];
