/** Fields of the image-spec. Go's decoder, which most clients use, takes them in any case; JavaScript's takes them as they are written. */
const fields = new Map(
  [
    'schemaVersion',
    'mediaType',
    'artifactType',
    'config',
    'layers',
    'manifests',
    'subject',
    'annotations',
    'digest',
    'size',
    'platform',
    'urls',
    'data',
  ].map((name) => [fold(name), name]),
);

/**
 * Whether readers could take a manifest for different things: RFC 8259 section 4 leaves open what a name means that comes twice in an object,
 * and a field that is written in another case is one for some readers alone.
 * @param text JSON that was parsed without an error
 * @returns what is wrong, or undefined
 */
export function ambiguityOf(text: string): string | undefined {
  /** The names so far of each object around; undefined for an array. */
  const around: ({ readonly names: Set<string>; readonly free: boolean } | undefined)[] = [];
  let name = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '{') around.push({ names: new Set(), free: name === 'annotations' });
    else if (character === '[') around.push(undefined);
    else if (character === '}' || character === ']') around.pop();
    if (character !== '"') continue;
    const end = endOfString(text, at);
    const object = around.at(-1);
    if (object && text[nextSign(text, end + 1)] === ':') {
      name = JSON.parse(text.slice(at, end + 1)) as string;
      const shown = JSON.stringify(name.slice(0, 100));
      if (object.names.has(name)) return `it names ${shown} twice`;
      const field = fields.get(fold(name));
      if (!object.free && field !== undefined && field !== name) return `it writes ${shown} for ${field}`;
      object.names.add(name);
    }
    at = end;
  }
  return undefined;
}

/** Go folds the long s and the Kelvin sign too. */
function fold(name: string): string {
  return name.toUpperCase().toLowerCase();
}

/** Where white space ends. */
function nextSign(text: string, start: number): number {
  let at = start;
  while (' \t\r\n'.includes(text[at] ?? 'x')) at += 1;
  return at;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}
