import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ambiguityOf } from './ambiguous-names.ts';

test('a document that two readers could read differently is found out', () => {
  const cases: readonly [text: string, expected: RegExp | undefined][] = [
    ['{"config":{"size":1},"layers":[{"size":1},{"size":2}]}', undefined],
    ['{"config":1,"config":2}', /"config" twice/],
    ['{"config":1,"\\u0063onfig":2}', /"config" twice/],
    ['{"a":{"x":1,"y":[{"x":1},{"z":1,"z":2}]}}', /"z" twice/],
    ['{"Layers":[]}', /"Layers" for layers/],
    ['{"config":{"DIGEST":1}}', /"DIGEST" for digest/],
    ['{"layer\u017f":[]}', /for layers/],
    ['{"annotations":{"Size":"1","size":"2","note":"\\"size\\":1,\\"size\\":2"}}', undefined],
    ['{"annotations":{"a":"1","a":"2"}}', /"a" twice/],
    ['{"a":"size","b":"size","c":["size","size"]}', undefined],
    ['{"a" \n:1,"a"\t:2}', /"a" twice/],
    ['{"a":"\\\\","b":"\\\\\\"","a":1}', /"a" twice/],
    ['{"a":[1,{"b":1}],"b":{"a":1}}', undefined],
  ];
  for (const [text, expected] of cases) {
    const found = ambiguityOf(text);
    if (expected) assert.match(found ?? 'nothing', expected, text);
    else assert.equal(found, undefined, text);
  }
});

test('white space before a colon hides no name, however much', () => {
  assert.match(ambiguityOf(`{"a":1,"a"${' '.repeat(10_000)}:2}`) ?? 'nothing', /twice/);
});
