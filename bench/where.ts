import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '../src/kernel/clock.ts';
import { digestOf } from '../src/kernel/digest.ts';
import type { RunId } from '../src/kernel/ids.ts';
import type { Component } from '../src/scan/component.ts';
import { openInventory } from '../src/scan/inventory/inventory.ts';
import { inventoryMigrations } from '../src/scan/inventory/migrations.ts';
import { parseWanted } from '../src/scan/inventory/wanted.ts';
import { sbomOf } from '../src/scan/sbom/cyclonedx.ts';
import { openStore } from '../src/store/store.ts';

// 10,000 images of 100 names with 500 packages each, of which 200 images run: which of them have a package? What is measured is the answer of the index with
// everything that pods are told by; how long clusters take to say what runs is theirs. Images are indexed as after a push, from their SBOMs.

const images = Number(process.argv[2] ?? 10_000);
const packages = 500;
const names = 100;
const running = 200;
const rounds = 50;

function sbom(image: number): string {
  const name = image % names;
  // Most of what a name consists of stays from one image to the next; ten packages are in every image.
  const components = Array.from({ length: packages }, (_, n): Component => {
    const common = n < 10;
    const which = common ? n : (name * 37 + n * 11) % 20_000;
    const version = `${1 + (n % 3)}.${common ? Math.floor(image / 1_000) : Math.floor(image / 2_500)}.${which % 10}`;
    return {
      purl: `pkg:npm/package-${which}@${version}`,
      ecosystem: 'npm',
      name: `package-${which}`,
      version,
      scope: 'runtime',
      hashes: [],
      places: [{ path: 'package-lock.json' }],
    };
  });
  const purls = components.map(({ purl }) => purl);
  const needs = new Map<string, readonly string[]>([['./', purls.slice(0, 50)]]);
  for (let n = 0; n < 50; n++) needs.set(purls[n] ?? '', purls.slice(50 + n * 9, 59 + n * 9));
  return sbomOf({ inventory: { components, needs }, subject: { type: 'container', name: `shop/${name}` }, scanner: 'waybill 0' });
}

const folder = await mkdtemp(path.join(tmpdir(), 'waybill-where-'));
try {
  await using store = openStore(path.join(folder, 'waybill.db'));
  await store.migrate(inventoryMigrations);
  const inventory = openInventory(store, systemClock);
  const begin = performance.now();
  for (let image = 0; image < images; image++) {
    const text = sbom(image);
    await inventory.add(
      { repository: `shop/${image % names}`, digest: digestOf(`${image}`), run: (image + 1) as RunId, sbom: digestOf(text) },
      text,
    );
  }
  const indexed = performance.now() - begin;
  console.log(`indexed ${images} images of ${packages} packages: ${(indexed / images).toFixed(1)} ms each, making its SBOM included`);

  const digests = Array.from({ length: running }, (_, n) => digestOf(`${images - 1 - n * 7}`));
  const questions = [
    'npm:package-5',
    'npm:package-5@<3.4',
    'package-4711',
    'npm:package-110@^2',
    'pkg:npm/package-5@3.0.5',
    'no-such-package',
  ];
  for (const question of questions) {
    const times: number[] = [];
    let answer = '';
    for (let round = 0; round < rounds; round++) {
      const from = performance.now();
      const found = await inventory.find(parseWanted(question), { digests, limit: 50 });
      await inventory.known(digests);
      times.push(performance.now() - from);
      const used = found.images.filter(({ digest }) => digests.includes(digest)).length;
      answer = `in ${found.imageCount} images, ${used} of them run`;
    }
    times.sort((a, b) => a - b);
    const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(1);
    console.log(`${question}: ${answer}; median ${at(0.5)} ms, 95th percentile ${at(0.95)} ms (goal: below 20 ms)`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
