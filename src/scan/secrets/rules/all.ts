import type { Rule } from '../rule.ts';
import { cloudRules } from './cloud.ts';
import { codeRules } from './code.ts';
import { genericRules } from './generic.ts';
import { platformRules } from './platforms.ts';
import { serviceRules } from './services.ts';
import { structureRules } from './structures.ts';

/** Every kind of credential that Waybill knows by itself. */
export const builtInRules: readonly Rule[] = [
  ...structureRules,
  ...cloudRules,
  ...codeRules,
  ...serviceRules,
  ...platformRules,
  ...genericRules,
];
