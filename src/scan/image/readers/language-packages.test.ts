import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gaps, purls, scanned, type Tree } from '../test-image.ts';

for (const [what, tree, expected, missing] of [
  [
    'gems, those that come with Ruby too',
    {
      'usr/lib/ruby/gems/3.1.0/specifications/rack-2.2.3.gemspec':
        '# -*- encoding: utf-8 -*-\n# stub: rack 2.2.3 ruby lib\n\nGem::Specification.new do |s|\n',
      'usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec': '# stub: json 2.6.1 ruby lib\n',
      'usr/lib/ruby/gems/3.1.0/gems/x/x.gemspec': 'Gem::Specification.new',
      'usr/lib/ruby/gems/3.1.0/specifications/odd.gemspec': 'Gem::Specification.new',
    },
    ['pkg:gem/json@2.6.1', 'pkg:gem/rack@2.2.3'],
    ['usr/lib/ruby/gems/3.1.0/specifications/odd.gemspec unknown-format'],
  ],
  [
    "Composer's packages, in both of its formats",
    {
      'srv/vendor/composer/installed.json':
        '{"packages":[{"name":"monolog/monolog","version":"v2.0.1"},{"name":"a/dev","version":"1"}],"dev-package-names":["a/dev"]}',
      'old/vendor/composer/installed.json': '[{"name":"twig/twig","version":"1.2"}]',
      'bad/vendor/composer/installed.json': '{"packages":[{"name":"x/y"}]}',
    },
    ['pkg:composer/a/dev@1', 'pkg:composer/monolog/monolog@2.0.1', 'pkg:composer/twig/twig@1.2'],
    ['bad/vendor/composer/installed.json unknown-format'],
  ],
  [
    "packages of .NET's applications",
    {
      'app/shop.deps.json':
        '{"libraries":{"shop/1.0.0":{"type":"project"},"Newtonsoft.Json/12.0.1":{"type":"package","sha512":"sha512-x"}}}',
      'b/b.deps.json': '{',
    },
    ['pkg:nuget/Newtonsoft.Json@12.0.1'],
    ['b/b.deps.json unknown-format'],
  ],
  [
    'packages of Python and of Node, and lock files of what is installed without effect',
    {
      'usr/lib/python3/site-packages/Django-4.2.1.dist-info/METADATA': 'Metadata-Version: 2.1\nName: Django\nVersion: 4.2.1\n\nText\n',
      'app/node_modules/@scope/a/package.json': '{"name":"@scope/a","version":"1.0.0"}',
      'app/node_modules/@scope/a/package-lock.json': '{',
    },
    ['pkg:npm/%40scope/a@1.0.0', 'pkg:pypi/django@4.2.1'],
    [],
  ],
  [
    'databases of managers that nobody reads',
    { 'opt/conda/conda-meta/history': 'x', 'var/lib/pacman/local/ALPM_DB_VERSION': '9' },
    [],
    ['opt/conda/conda-meta/history unknown-format', 'var/lib/pacman/local/ALPM_DB_VERSION unknown-format'],
  ],
] as readonly (readonly [string, Tree, readonly string[], readonly string[]])[])
  test(what, async () => {
    const { inventory, report } = await scanned([tree]);
    assert.deepEqual(purls(inventory), expected);
    assert.deepEqual(gaps(report).toSorted(), missing);
  });
