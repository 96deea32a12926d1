import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaybillError } from '../kernel/error.ts';
import type { Plan } from './plan.ts';
import { selectForLocal } from './select.ts';

const job = (name: string) => ({ name, env: {}, timeoutMs: 1, network: 'none' as const, steps: [] });
const plan: Plan = {
  event: 'change',
  stages: [
    { name: 'lint', reusable: false, needs: [], jobs: [job('lint')] },
    { name: 'core', reusable: false, needs: ['lint'], jobs: [job('unit'), job('types')] },
    { name: 'more', reusable: false, needs: ['core'], jobs: [job('unit')] },
  ],
  images: [],
  deploys: [],
};

const chosen: readonly (readonly [name: string | undefined, expected: string])[] = [
  [undefined, 'lint[]:lint core[lint]:unit,types more[core]:unit'],
  ['lint', 'lint[]:lint'],
  ['core', 'core[]:unit,types'],
  ['types', 'core[]:types'],
  ['more/unit', 'more[]:unit'],
];

for (const [name, expected] of chosen) {
  test(`waybill run ${name ?? ''}`, () => {
    const text = selectForLocal(plan, name).map(
      (stage) => `${stage.name}[${stage.needs.join()}]:${stage.jobs.map((each) => each.name).join()}`,
    );
    assert.equal(text.join(' '), expected);
  });
}

const refused: readonly (readonly [name: string, code: string, fix: string])[] = [
  ['unti', 'NOT_FOUND', 'Did you mean "unit"?'],
  ['deployment', 'NOT_FOUND', 'Stages: lint, core, more.'],
  ['unit', 'INVALID_INPUT', 'Say which: core/unit, more/unit.'],
];

for (const [name, code, fix] of refused) {
  test(`waybill run ${name} is refused`, () => {
    assert.throws(
      () => selectForLocal(plan, name),
      (error) => error instanceof WaybillError && error.code === code && error.fix === fix,
    );
  });
}
