/** What somebody may be in one Waybill. Each role holds everything that the one before it holds. */
export type Role = 'developer' | 'reviewer' | 'admin';

/** `manage`: people, tokens, repositories, secrets, environments. */
export type Action = 'read' | 'propose' | 'approve' | 'reject' | 'merge' | 'manage';

export const roles: readonly Role[] = ['developer', 'reviewer', 'admin'];

const allowed: Readonly<Record<Role, ReadonlySet<Action>>> = {
  developer: new Set<Action>(['read', 'propose']),
  reviewer: new Set<Action>(['read', 'propose', 'approve', 'reject', 'merge']),
  admin: new Set<Action>(['read', 'propose', 'approve', 'reject', 'merge', 'manage']),
};

export function isRole(text: string): text is Role {
  return roles.some((role) => role === text);
}

/** False unless the table says otherwise; somebody who was removed may do nothing, whatever the role says. */
export function can(person: { readonly role: Role; readonly active: boolean } | undefined, action: Action): boolean {
  return person !== undefined && person.active && Object.hasOwn(allowed, person.role) && allowed[person.role].has(action);
}
