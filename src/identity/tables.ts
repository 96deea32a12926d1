/** Rows of the tables that this folder owns. Booleans are 0 and 1, moments are ISO 8601 in UTC. */
export type IdentityTables = {
  person: { id: string; name: string; role: string; active: number; created_at: string };
  person_email: { email: string; person: string };
  token: {
    id: string;
    person: string;
    label: string;
    /** SHA-256 of the token's text, hex. */
    hash: string;
    created_at: string;
    expires_at: string | null;
    revoked_at: string | null;
  };
};
