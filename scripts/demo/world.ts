import type { Secret } from '../../src/kernel/secret.ts';
import type { Person } from './person.ts';
import type { Screen } from './screen.ts';

/** Where the release goes: a namespace of a cluster, or this host. */
export type Place =
  | { readonly kind: 'local' }
  | {
      readonly kind: 'cluster';
      readonly kubeconfig: string;
      readonly namespace: string;
      /** The webhook is registered: refusals come from the API server. */ readonly gate: boolean;
    };

/** What the acts share. */
export type Stage = {
  readonly screen: Screen;
  readonly root: string;
  readonly data: string;
  readonly scratch: string;
  readonly url: string;
  readonly host: string;
  readonly place: Place;
  readonly signal: AbortSignal;
  readonly admin: Person;
  readonly dana: Person;
  readonly rita: Person;
  readonly sam: Person;
};

export type NewPerson = { readonly id: string; readonly token: Secret };
