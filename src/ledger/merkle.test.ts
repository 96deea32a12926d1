import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as check, integer, nat, property } from 'fast-check';
import {
  consistencyProof,
  emptyRoot,
  inclusionProof,
  leafHash,
  memoryTree,
  nodeHash,
  rootAt,
  verifyConsistency,
  verifyInclusion,
  type Hash,
} from './merkle.ts';

// The reference vectors of Certificate Transparency (RFC 6962), as every implementation of it publishes them.
const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const roots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const inclusions: { index: number; size: number; hashes: string[] }[] = [
  { index: 0, size: 1, hashes: [] },
  {
    index: 0,
    size: 8,
    hashes: [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  },
  {
    index: 5,
    size: 8,
    hashes: [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  },
  { index: 2, size: 3, hashes: ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'] },
  {
    index: 1,
    size: 5,
    hashes: [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  },
];
const consistencies: { from: number; to: number; hashes: string[] }[] = [
  { from: 1, to: 1, hashes: [] },
  {
    from: 1,
    to: 8,
    hashes: [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  },
  {
    from: 6,
    to: 8,
    hashes: [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  },
  {
    from: 2,
    to: 5,
    hashes: [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  },
  {
    from: 6,
    to: 7,
    hashes: [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  },
];

function treeOf(hashes: readonly Hash[]): ReturnType<typeof memoryTree> {
  const tree = memoryTree();
  for (const hash of hashes) tree.append(hash);
  return tree;
}
const vectorLeaves = leaves.map((hex) => leafHash(Buffer.from(hex, 'hex')));
const vector = treeOf(vectorLeaves);

/** The definition in RFC 6962 2.1, word for word. */
function rootByDefinition(hashes: readonly Hash[]): Hash {
  if (hashes.length <= 1) return hashes[0] ?? emptyRoot;
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return nodeHash(rootByDefinition(hashes.slice(0, k)), rootByDefinition(hashes.slice(k)));
}

for (const [size, root] of roots.entries())
  test(`the published root of ${size} leaves`, () => {
    assert.equal(rootAt(size, vector.lookup), root);
  });

for (const { index, size, hashes } of inclusions)
  test(`the published inclusion proof of leaf ${index} in ${size}`, () => {
    assert.deepEqual(inclusionProof(index, size, vector.lookup), hashes);
    const proof = { index, size, leaf: vectorLeaves[index] ?? '', root: roots[size] ?? '', hashes };
    assert.ok(verifyInclusion(proof));
    const spoiled = [
      { ...proof, index: index + 1 },
      { ...proof, index: index - 1 },
      { ...proof, index: index + 0.5 },
      { ...proof, size: size * 2 },
      { ...proof, size: Math.floor(size / 2) },
      { ...proof, leaf: emptyRoot },
      { ...proof, leaf: '' },
      { ...proof, root: emptyRoot },
      { ...proof, root: proof.root.toUpperCase() },
      { ...proof, hashes: [...hashes, ''] },
      { ...proof, hashes: [...hashes, proof.root] },
      { ...proof, hashes: [proof.root, ...hashes] },
      ...hashes.map((_, at) => ({ ...proof, hashes: hashes.toSpliced(at, 1) })),
      ...hashes.map((hash, at) => ({
        ...proof,
        hashes: hashes.with(
          at,
          hash.replace(/^./, (c) => (c === '0' ? '1' : '0')),
        ),
      })),
    ];
    for (const bad of spoiled) assert.equal(verifyInclusion(bad), false, JSON.stringify(bad));
  });

for (const { from, to, hashes } of consistencies)
  test(`the published consistency proof from ${from} to ${to}`, () => {
    assert.deepEqual(consistencyProof(from, to, vector.lookup), hashes);
    const [older, newer] = [
      { size: from, root: roots[from] ?? '' },
      { size: to, root: roots[to] ?? '' },
    ];
    assert.ok(verifyConsistency({ older, newer, hashes }));
    if (hashes.length === 0) return;
    const spoiled = [
      { older: { ...older, size: from - 1 }, newer, hashes },
      { older: { ...older, size: from + 1 }, newer, hashes },
      { older, newer: { ...newer, size: to * 2 }, hashes },
      { older, newer: { ...newer, size: Math.floor(to / 2) }, hashes },
      { older: newer, newer: older, hashes },
      { older: { ...older, root: newer.root }, newer: { ...newer, root: older.root }, hashes },
      { older, newer, hashes: [] },
      { older, newer, hashes: [...hashes, ''] },
      { older, newer, hashes: [...hashes, older.root] },
      { older, newer, hashes: [newer.root, ...hashes] },
      { older, newer, hashes: hashes.slice(0, -1) },
      ...hashes.map((hash, at) => ({
        older,
        newer,
        hashes: hashes.with(
          at,
          hash.replace(/^./, (c) => (c === '0' ? '1' : '0')),
        ),
      })),
    ];
    for (const bad of spoiled) assert.equal(verifyConsistency(bad), false, JSON.stringify(bad));
  });

test('nothing older than the present proves itself, and empty trees only by their own root', () => {
  const a = { size: 1, root: roots[1] ?? '' };
  assert.equal(verifyConsistency({ older: a, newer: { size: 0, root: emptyRoot }, hashes: [] }), false);
  assert.ok(verifyConsistency({ older: { size: 0, root: emptyRoot }, newer: a, hashes: [] }));
  assert.equal(verifyConsistency({ older: { size: 0, root: a.root }, newer: a, hashes: [] }), false);
  assert.equal(verifyConsistency({ older: { size: 0, root: emptyRoot }, newer: a, hashes: [emptyRoot] }), false);
});

test('for any tree: root by definition, every proof verifies, no proof verifies for another leaf or tree', () => {
  check(
    property(integer({ min: 1, max: 300 }), nat(), nat(), (size, a, b) => {
      const hashes = Array.from({ length: size }, (_, i) => leafHash(`entry ${i}`));
      const { lookup } = treeOf(hashes);
      const root = rootAt(size, lookup);
      assert.equal(root, rootByDefinition(hashes));
      const [index, other] = [a % size, b % size];
      const proof = { index, size, leaf: hashes[index] ?? '', root, hashes: inclusionProof(index, size, lookup) };
      assert.ok(verifyInclusion(proof));
      if (other !== index) {
        assert.equal(verifyInclusion({ ...proof, index: other }), false);
        assert.equal(verifyInclusion({ ...proof, leaf: hashes[other] ?? '' }), false);
      }
      const older = { size: other, root: rootAt(other, lookup) };
      const consistency = { older, newer: { size, root }, hashes: consistencyProof(other, size, lookup) };
      assert.ok(verifyConsistency(consistency));
      const rewritten = treeOf(hashes.with(index, leafHash('rewritten')));
      const forged = { size, root: rootAt(size, rewritten.lookup) };
      if (index < other)
        assert.equal(verifyConsistency({ older, newer: forged, hashes: consistencyProof(other, size, rewritten.lookup) }), false);
    }),
    { numRuns: 200 },
  );
});
