import { PackageURL } from 'packageurl-js';

/**
 * The canonical package URL (purl-spec, "Rules for each purl component" and its types).
 * @throws Error for a name or version that cannot be one
 */
export function purlOf(type: string, fullName: string, version: string): string {
  const slash = fullName.lastIndexOf(type === 'maven' ? ':' : '/');
  const namespace = slash === -1 ? undefined : fullName.slice(0, slash);
  return new PackageURL(type, namespace, fullName.slice(slash + 1), version, undefined, undefined).toString();
}
