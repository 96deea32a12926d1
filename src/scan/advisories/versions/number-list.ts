import { compareDigits, compareLists } from './digits.ts';
import { versionOrder } from './order.ts';

/** Haskell's package versions (Hackage, GHC): numbers between dots; `1.0` is before `1.0.0`. */
export const hackageOrder = versionOrder(
  'numbers',
  (text) => (/^\d+(?:\.\d+)*$/.test(text) ? text.split('.') : undefined),
  (a, b) => compareLists(a, b, compareDigits),
);

/** R's (`package_version`): numbers between dots or dashes; `1.0` is before `1.0.0`. */
export const cranOrder = versionOrder(
  'R',
  (text) => (/^\d+(?:[.-]\d+)*$/.test(text) ? text.split(/[.-]/) : undefined),
  (a, b) => compareLists(a, b, compareDigits),
);
