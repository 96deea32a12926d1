import { changesEndpoints } from './endpoints/changes.ts';
import { environmentsEndpoints } from './endpoints/environments.ts';
import { evidenceEndpoints } from './endpoints/evidence.ts';
import { externalRegistriesEndpoints } from './endpoints/external-registries.ts';
import { imagesEndpoints } from './endpoints/images.ts';
import { importsEndpoints } from './endpoints/imports.ts';
import { mirrorsEndpoints } from './endpoints/mirrors.ts';
import { peopleEndpoints } from './endpoints/people.ts';
import { registryEndpoints } from './endpoints/registry.ts';
import { repositoriesEndpoints } from './endpoints/repositories.ts';
import { runsEndpoints } from './endpoints/runs.ts';
import { scanningEndpoints } from './endpoints/scanning.ts';

/** The whole HTTP API of the server. Streams (logs, the ledger's export) are listed with their type of content in `streams`. */
export const endpoints = {
  ...peopleEndpoints,
  ...repositoriesEndpoints,
  ...environmentsEndpoints,
  ...changesEndpoints,
  ...runsEndpoints,
  ...scanningEndpoints,
  ...imagesEndpoints,
  ...importsEndpoints,
  ...registryEndpoints,
  ...externalRegistriesEndpoints,
  ...mirrorsEndpoints,
  ...evidenceEndpoints,
} as const;

export const streams = {
  log: '/api/v1/runs/:id/log',
  ledger: '/api/v1/ledger',
  events: '/api/v1/runs/:id/events',
} as const;
