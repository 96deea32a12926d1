/** Numbers that a person types: `waybill change show 3`, `waybill runs show 12`. Unique in one Waybill. */
export type ChangeId = number & { readonly __brand: 'ChangeId' };
export type RunId = number & { readonly __brand: 'RunId' };
export type PersonId = string & { readonly __brand: 'PersonId' };

/** Name of a repository, also its name in the registry (a subset of OCI distribution-spec's `<name>`). */
export type RepositoryName = string & { readonly __brand: 'RepositoryName' };

const name = /^[a-z0-9](?:[a-z0-9]|[-_.](?=[a-z0-9])){0,62}$/;

/** A lower-case name of letters, digits and single `-`, `_`, `.` between them; at most 63 characters. */
export function isName(text: string): boolean {
  return name.test(text);
}
