import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { array, assert as check, oneof, property, string, stringMatching } from 'fast-check';
import { digestOf } from '../kernel/digest.ts';
import { formatReference, isRepositoryPath, parseReference } from './reference.ts';

const digest = digestOf('x');

test('references that are read', () => {
  const table: [string, object][] = [
    ['shop', { repository: 'shop' }],
    ['shop:v1', { repository: 'shop', tag: 'v1' }],
    ['library/alpine:3', { repository: 'library/alpine', tag: '3' }],
    ['localhost/shop', { registry: 'localhost', repository: 'shop' }],
    ['shop:5000', { repository: 'shop', tag: '5000' }],
    ['127.0.0.1:8080/shop/shop:v1', { registry: '127.0.0.1:8080', repository: 'shop/shop', tag: 'v1' }],
    ['[::1]:8080/shop', { registry: '[::1]:8080', repository: 'shop' }],
    ['registry.example.com/a/b__c/d--e', { registry: 'registry.example.com', repository: 'a/b__c/d--e' }],
    [`shop@${digest}`, { repository: 'shop', digest }],
    [`r.example/shop:v1@${digest}`, { registry: 'r.example', repository: 'shop', tag: 'v1', digest }],
  ];
  for (const [text, expected] of table) {
    assert.deepEqual(parseReference(text), expected, text);
    assert.equal(formatReference(parseReference(text)), text);
  }
});

test('references that are refused', () => {
  const bad = [
    '',
    ':',
    '@',
    '/',
    'Shop',
    'shop:',
    'shop:-x',
    'shop@',
    'shop@sha256:00',
    `shop@md5:${'0'.repeat(32)}`,
    'a//b',
    '/a',
    'a/',
    '../a',
    'a/../b',
  ];
  bad.push(
    'a/./b',
    'a b',
    'a\nb',
    'shop:v1:v2',
    'user@host/shop',
    'http://host/shop',
    'host.x:99999999/a',
    'a.b:x/c',
    '.a',
    'a.',
    'a___b',
    'a._b',
    `a:${'x'.repeat(129)}`,
  );
  bad.push('x'.repeat(256), 'a'.repeat(10_000), `${'a-'.repeat(200)}!`, 'ä', 'a%2fb', 'a\0');
  for (const text of bad) assert.throws(() => parseReference(text), { code: 'INVALID_INPUT' }, JSON.stringify(text.slice(0, 60)));
});

test('whatever is read is written back the same, and no name leaves its folder', () => {
  const piece = stringMatching(/^[a-zA-Z0-9._:/@%-]{0,30}$/);
  check(
    property(
      oneof(
        piece,
        string(),
        array(piece).map((parts) => parts.join('/')),
      ),
      (text) => {
        let read;
        try {
          read = parseReference(text);
        } catch (error) {
          return assert.equal((error as { code?: string }).code, 'INVALID_INPUT');
        }
        assert.equal(formatReference(read), text);
        assert.ok(isRepositoryPath(read.repository));
        assert.ok(read.repository.split('/').every((part) => part !== '' && !part.startsWith('.')));
      },
    ),
    { numRuns: 2_000 },
  );
});
