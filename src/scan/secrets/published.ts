import { createHash } from 'node:crypto';

/**
 * Keys that their owners publish for show, by the first half of their SHA-256: whoever copies an example has leaked nothing. The keys themselves would be findings here.
 * All are of the examples and tests of Google's Firebase SDK for Android.
 */
const published: ReadonlySet<string> = new Set([
  '2037abcaffb2b77785da716cf7ccff4f',
  '3f370c9dd8225c63b5c77de1f785edc9',
  'e4a5542bb7fd7b67e943c71ad29c34b5',
  'a19f89ab3555eac10c40741f6df79ecf',
  '0b476bdf9acf2123d547b5ae76f1e598',
  'eb540d2b6ee2a0a47c5779bc8a014178',
  '37f8f09bdf12c2f2eae4ead7273a62dd',
  '8731261cb72d86267a32a532ebd3df42',
  '49f777db995e8260da7ca9ffdf0c08d6',
  '27a9a42931dff7eb2f8434e20a9bce97',
  'dc0fcf046c61640cbd1e8b999ada3262',
  '4c98242dcadc8b29005c6b4aad526552',
  'ea9bb1082cf95663f5faca23b8b15ef2',
  '3a8b61d0f636b007840c0d40ba12bcf4',
  'a6c814bc555ae62c7bd8b58ec07bf559',
]);

export function isPublished(value: string): boolean {
  return published.has(createHash('sha256').update(value, 'latin1').digest('hex').slice(0, 32));
}
