/** The parts of a package URL (github.com/package-url/purl-spec) that decide whether one is meant by another. */
export type Purl = { readonly path: string; readonly version: string | undefined; readonly qualifiers: ReadonlyMap<string, string> };

/** Undefined: it is none. Percent-encoding, the case of the type, and slashes do not count. */
export function parsePurl(text: string): Purl | undefined {
  const [, type, rest] = /^pkg:\/{0,2}([A-Za-z0-9.+-]+)\/+(.+)$/.exec(text) ?? [];
  if (type === undefined || rest === undefined) return undefined;
  const [beforeSubpath = ''] = rest.split('#');
  const [body = '', query = ''] = beforeSubpath.split('?');
  const at = body.lastIndexOf('@');
  const named = at > 0 ? body.slice(0, at) : body;
  const version = at > 0 ? decode(body.slice(at + 1)) : undefined;
  const path = named
    .split('/')
    .filter((part) => part !== '')
    .map(decode);
  if (path.length === 0) return undefined;
  return { path: [type.toLowerCase(), ...path].join('/'), version, qualifiers: new Map(new URLSearchParams(query)) };
}

/** Whether `wanted` means `actual`: without a version it means all of them, and what it qualifies must be so. */
export function purlCovers(wanted: string, actual: string): boolean {
  if (wanted === actual) return true;
  const a = parsePurl(wanted);
  const b = parsePurl(actual);
  if (!a || !b || a.path !== b.path) return false;
  if (a.version !== undefined && a.version !== b.version) return false;
  return [...a.qualifiers].every(([name, value]) => b.qualifiers.get(name) === value);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not encoded at all: it is what it says.
    return text;
  }
}
