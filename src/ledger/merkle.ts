import { createHash } from 'node:crypto';

/** 64 lower-case hex digits: a SHA-256 hash of the tree. */
export type Hash = string & { readonly __brand: 'Hash' };

/** A complete subtree: the 2^level leaves that begin at leaf `index * 2^level`. */
export type Node = { readonly level: number; readonly index: number };

/** Leaves from `from` up to, not with, `to`. */
type Range = { readonly from: number; readonly to: number };

/** Looks up the hash of a complete subtree. */
export type NodeLookup = (node: Node) => Hash;

const pattern = /^[0-9a-f]{64}$/;

export function isHash(text: string): text is Hash {
  return pattern.test(text);
}

/** The root of the tree without leaves (RFC 6962 2.1). */
export const emptyRoot = createHash('sha256').digest('hex') as Hash;

/** SHA-256(0x00 || entry), RFC 6962 2.1. */
export function leafHash(entry: Uint8Array | string): Hash {
  return createHash('sha256').update('\0').update(entry).digest('hex') as Hash;
}

/** SHA-256(0x01 || left || right), RFC 6962 2.1. */
export function nodeHash(left: Hash, right: Hash): Hash {
  return createHash('sha256').update('\x01').update(left, 'hex').update(right, 'hex').digest('hex') as Hash;
}

/** Largest power of two that is smaller than `n` (n > 1). */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** The complete subtrees whose hashes make the hash of `range`, left to right. `range.from` must be a multiple of the range's height. */
function nodesOf(range: Range): Node[] {
  const nodes: Node[] = [];
  let { from } = range;
  while (from < range.to) {
    let level = 0;
    let width = 1;
    while (width * 2 <= range.to - from) [level, width] = [level + 1, width * 2];
    nodes.push({ level, index: from / width });
    from += width;
  }
  return nodes;
}

function hashOf(range: Range, lookup: NodeLookup): Hash {
  const hashes = nodesOf(range).map(lookup);
  let hash = hashes.pop();
  if (hash === undefined) return emptyRoot;
  for (let left = hashes.pop(); left !== undefined; left = hashes.pop()) hash = nodeHash(left, hash);
  return hash;
}

/** PATH(m, D_n) of RFC 6962 2.1.1 as ranges, from the leaf upwards. */
function inclusionRanges(index: number, size: number): Range[] {
  const path: Range[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const middle = from + split(to - from);
    if (index < middle) {
      path.push({ from: middle, to });
      to = middle;
    } else {
      path.push({ from, to: middle });
      from = middle;
    }
  }
  return path.toReversed();
}

/** PROOF(m, D_n) of RFC 6962 2.1.2 as ranges. */
function consistencyRanges(older: number, newer: number): Range[] {
  const path: Range[] = [];
  let [from, to, whole] = [0, newer, true];
  while (older !== to) {
    const middle = from + split(to - from);
    if (older <= middle) {
      path.push({ from: middle, to });
      to = middle;
    } else {
      path.push({ from, to: middle });
      from = middle;
      whole = false;
    }
  }
  if (!whole) path.push({ from, to });
  return path.toReversed();
}

/** What to fetch before `rootAt`, `inclusionProof` or `consistencyProof` is asked. At most about log2(size)² nodes. */
export const nodesFor = {
  root: (size: number): Node[] => nodesOf({ from: 0, to: size }),
  inclusion: (index: number, size: number): Node[] => (index < size ? inclusionRanges(index, size).flatMap(nodesOf) : []),
  consistency: (older: number, newer: number): Node[] =>
    older > 0 && older < newer ? consistencyRanges(older, newer).flatMap(nodesOf) : [],
};

/** MTH of the first `size` leaves. */
export function rootAt(size: number, lookup: NodeLookup): Hash {
  return hashOf({ from: 0, to: size }, lookup);
}

/** Audit path for leaf `index` in the tree of `size` leaves. The caller checks 0 <= index < size. */
export function inclusionProof(index: number, size: number, lookup: NodeLookup): Hash[] {
  return inclusionRanges(index, size).map((range) => hashOf(range, lookup));
}

/** Proof that the tree of `older` leaves is a prefix of that of `newer`. Empty for equal sizes and for an empty older tree. */
export function consistencyProof(older: number, newer: number, lookup: NodeLookup): Hash[] {
  if (older === 0 || older === newer) return [];
  return consistencyRanges(older, newer).map((range) => hashOf(range, lookup));
}

/**
 * The complete subtrees that appending leaf `index` completes, the leaf itself first. `lookup` is asked for left siblings alone
 * (`siblings(index)`); amortised one hash per append.
 */
export function nodesCompletedBy(index: number, leaf: Hash, lookup: NodeLookup): (Node & { readonly hash: Hash })[] {
  const completed = [{ level: 0, index, hash: leaf }];
  let hash = leaf;
  for (const left of siblings(index)) {
    hash = nodeHash(lookup(left), hash);
    completed.push({ level: left.level + 1, index: left.index / 2, hash });
  }
  return completed;
}

/** The left siblings that `nodesCompletedBy` needs. */
export function siblings(index: number): Node[] {
  const needed: Node[] = [];
  for (let [level, at] = [0, index]; at % 2 === 1; level += 1, at = (at - 1) / 2) needed.push({ level, index: at - 1 });
  return needed;
}

/** A tree in memory: for the verification of an exported ledger, and for tests. */
export function memoryTree(): { append(leaf: Hash): void; size(): number; lookup: NodeLookup } {
  const levels: Hash[][] = [];
  const lookup: NodeLookup = ({ level, index }) => {
    const hash = levels[level]?.[index];
    if (hash === undefined) throw new RangeError(`the tree has no node ${level}/${index}`);
    return hash;
  };
  return {
    append(leaf) {
      for (const node of nodesCompletedBy(levels[0]?.length ?? 0, leaf, lookup)) (levels[node.level] ??= [])[node.index] = node.hash;
    },
    size: () => levels[0]?.length ?? 0,
    lookup,
  };
}

/** RFC 9162 2.1.3.2. False for anything that does not prove it, malformed hashes and sizes included. */
export function verifyInclusion(proof: {
  readonly index: number;
  readonly size: number;
  readonly leaf: string;
  readonly root: string;
  readonly hashes: readonly string[];
}): boolean {
  const { index, size, leaf, root, hashes } = proof;
  if (!isCount(index) || !isCount(size) || index >= size || !isHash(leaf) || !isHash(root)) return false;
  let [fn, sn, r] = [index, size - 1, leaf];
  for (const p of hashes) {
    if (sn === 0 || !isHash(p)) return false;
    if (fn % 2 === 1 || fn === sn) {
      r = nodeHash(p, r);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else r = nodeHash(r, p);
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && r === root;
}

/** RFC 9162 2.1.4.2; an empty older tree is consistent with every newer one (its proof is empty). */
export function verifyConsistency(proof: {
  readonly older: { readonly size: number; readonly root: string };
  readonly newer: { readonly size: number; readonly root: string };
  readonly hashes: readonly string[];
}): boolean {
  const { older, newer, hashes } = proof;
  if (!isCount(older.size) || !isCount(newer.size) || older.size > newer.size || !isHash(older.root) || !isHash(newer.root)) return false;
  if (older.size === 0) return hashes.length === 0 && older.root === emptyRoot && (newer.size > 0 || newer.root === emptyRoot);
  if (older.size === newer.size) return hashes.length === 0 && older.root === newer.root;
  const path = isPowerOfTwo(older.size) ? [older.root, ...hashes] : [...hashes];
  const first = path.shift();
  if (hashes.length === 0 || first === undefined || !isHash(first)) return false;
  let [fn, sn] = [older.size - 1, newer.size - 1];
  while (fn % 2 === 1) [fn, sn] = [half(fn), half(sn)];
  let [fr, sr] = [first, first];
  for (const c of path) {
    if (sn === 0 || !isHash(c)) return false;
    if (fn % 2 === 1 || fn === sn) {
      [fr, sr] = [nodeHash(c, fr), nodeHash(c, sr)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else sr = nodeHash(sr, c);
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && fr === older.root && sr === newer.root;
}

const half = (n: number): number => Math.floor(n / 2);
const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
const isPowerOfTwo = (n: number): boolean => Number.isInteger(Math.log2(n));
