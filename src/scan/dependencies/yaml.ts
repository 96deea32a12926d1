import { FAILSAFE_SCHEMA, load } from 'js-yaml';
import { decode } from './json.ts';

const deepest = 100;
/** No tool writes any into a lock file; hundreds of thousands take a parser long. */
const mostAnchors = 1_000;

/**
 * YAML of foreign files with every scalar as text: `1.10` stays a version, `__proto__` and `<<` are names like others, and an alias is a second reference to one
 * thing, not a copy. @throws YAMLException, also below a hundred levels and for a key that stands there twice
 */
export function parseYaml(bytes: Buffer): unknown {
  const text = decode(bytes);
  let anchors = 0;
  for (let at = text.indexOf(' &'); at !== -1; at = text.indexOf(' &', at + 1))
    if (++anchors > mostAnchors) throw new Error(`it has more than ${mostAnchors} anchors`);
  return load(text, { schema: FAILSAFE_SCHEMA, maxDepth: deepest });
}
