/** A `WWW-Authenticate` challenge: scheme and parameters in lower case. */
export type Challenge = { readonly scheme: string; readonly parameters: Readonly<Record<string, string>> };

/** RFC 9110 section 11.6.1, one challenge per header line as registries send it. Undefined when it cannot be read. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const [, scheme, rest = ''] = /^\s*([A-Za-z][A-Za-z0-9-]{0,30})(?:\s+(.{0,4000}))?$/.exec(header ?? '') ?? [];
  if (scheme === undefined) return undefined;
  const parameters: Record<string, string> = {};
  for (const [, name, quoted, plain] of rest.matchAll(/([A-Za-z_-]{1,40})=(?:"((?:[^"\\]|\\.){0,2000})"|([^",\s]{1,2000}))/g))
    if (name !== undefined) parameters[name.toLowerCase()] = quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '';
  return { scheme: scheme.toLowerCase(), parameters };
}
