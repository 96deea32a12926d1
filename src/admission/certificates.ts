import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { WaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import { makeAuthority, makeServing, type Issued } from './authority.ts';
import type { ServingCertificate } from './server.ts';
import { writeWhole } from './snapshot-copy.ts';

/** What to serve with, and what the API server must trust. */
export type Certificates = {
  readonly serving: ServingCertificate;
  /** PEM of every authority that is valid now: the `caBundle` of the webhook configuration. */
  readonly caBundle: string;
  /** Ask again then: something is to be renewed. */
  readonly renewAt: Date;
  /** True when this call changed what is on disk; then bring `caBundle` to the webhook configuration. */
  readonly changed: boolean;
};

const day = 24 * 60 * 60 * 1_000;
const authorityDays = 365;
const servingDays = 60;
/** A new authority stands in the bundle this long before anything that it signed is served. */
const overlapDays = 7;
/** Clocks differ: a certificate begins to be valid a little before it was made. */
const backdate = 60 * 60 * 1_000;

const issuedSchema = z.strictObject({ cert: z.string(), key: z.string(), notBefore: z.iso.datetime(), notAfter: z.iso.datetime() });
const stateSchema = z.strictObject({
  version: z.literal(1),
  authorities: z.array(issuedSchema).max(10),
  serving: issuedSchema.extend({ names: z.array(z.string()), authority: z.string() }),
});
type State = z.infer<typeof stateSchema>;

/**
 * Makes or renews the gate's authority and serving certificate in `folder` (one file, mode 0600, replaced in one step).
 * Rotation overlaps: in the last third of an authority's life a new one joins the bundle, a week later it begins to sign,
 * and the old one stays in the bundle until it expires. One process at a time renews a folder.
 * @param names DNS names and IP addresses by which the API server calls the gate
 * @throws WaybillError INVALID_INPUT for names that are none, or a file that is not ours
 */
export async function ensureCertificates(folder: string, names: readonly string[], now: Date): Promise<Certificates> {
  requireNames(names);
  const file = join(folder, 'certificates.json');
  const found = await load(file);
  const state = await renew(found, [...names].sort(), now);
  if (state === found) return certificatesOf(state, now, false);
  if (found) await writeWhole(file, JSON.stringify(state), 0o600);
  else if (!(await createFirst(folder, file, JSON.stringify(state)))) return ensureCertificates(folder, names, now);
  return certificatesOf(state, now, true);
}

/** The bundle as it is on disk, for whoever writes the webhook configuration beside a running gate; undefined before the gate's first start. */
export async function readCaBundle(folder: string): Promise<string | undefined> {
  const found = await load(join(folder, 'certificates.json'));
  return found?.authorities.map((authority) => authority.cert).join('');
}

async function renew(found: State | undefined, names: readonly string[], now: Date): Promise<State> {
  const valid = (found?.authorities ?? []).filter((authority) => Date.parse(authority.notAfter) > now.getTime());
  const newest = valid.at(-1);
  const authorities =
    newest && lastThird(newest) > now.getTime()
      ? valid
      : [...valid, await makeAuthority('waybill-admission-ca', begin(now), after(now, authorityDays))];
  const signer = signerOf(authorities, now);
  const held = found?.serving;
  const fits =
    held !== undefined &&
    lastThird(held) > now.getTime() &&
    held.authority === signer.cert &&
    held.names.length === names.length &&
    held.names.every((name, index) => name === names[index]);
  if (
    found &&
    fits &&
    authorities.length === found.authorities.length &&
    authorities.every((one, index) => one === found.authorities[index])
  )
    return found;
  const serving = fits
    ? held
    : { ...(await makeServing(signer, names, begin(now), after(now, servingDays))), names: [...names], authority: signer.cert };
  return { version: 1, authorities: [...authorities], serving };
}

/** The newest authority that everybody can know by now; the only one, if there is but one. */
function signerOf(authorities: readonly Issued[], now: Date): Issued {
  const known = authorities.filter((authority) => Date.parse(authority.notBefore) + backdate + overlapDays * day <= now.getTime());
  const signer = known.at(-1) ?? authorities[0];
  if (!signer) throw new WaybillError('INTERNAL', 'there is an authority, since one was just made');
  return signer;
}

function certificatesOf(state: State, now: Date, changed: boolean): Certificates {
  const newest = state.authorities.at(-1);
  const dates = [
    lastThird(state.serving),
    ...(newest ? [lastThird(newest), Date.parse(newest.notBefore) + backdate + overlapDays * day] : []),
  ];
  const renewAt = new Date(Math.min(...dates.filter((date) => date > now.getTime()), now.getTime() + servingDays * day));
  return {
    serving: { cert: state.serving.cert, key: new Secret(state.serving.key) },
    caBundle: state.authorities.map((authority) => authority.cert).join(''),
    renewAt,
    changed,
  };
}

async function load(file: string): Promise<State | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return stateSchema.parse(JSON.parse(text));
  } catch {
    // The cause could carry parts of a key.
    throw new WaybillError('INVALID_INPUT', `${file} is not a certificate file of this program`, {
      fix: 'Move it away; new certificates are made at the next start, and the webhook configuration must get the new caBundle.',
    });
  }
}

/** False when another process was first. */
async function createFirst(folder: string, file: string, text: string): Promise<boolean> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const beside = `${file}.${randomUUID()}.new`;
  try {
    {
      await using handle = await open(beside, 'wx', 0o600);
      await handle.writeFile(text);
      await handle.sync();
    }
    await link(beside, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(beside, { force: true });
  }
}

function requireNames(names: readonly string[]): void {
  const bad = names.find(
    (name) =>
      isIP(name) === 0 && !(name.length <= 253 && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/.test(name)),
  );
  if (bad !== undefined)
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(bad.slice(0, 100))} is neither a DNS name nor an IP address`);
  if (names.length === 0) throw new WaybillError('INVALID_INPUT', 'a serving certificate needs a DNS name or an IP address');
}

function lastThird(one: Pick<Issued, 'notBefore' | 'notAfter'>): number {
  const [from, to] = [Date.parse(one.notBefore), Date.parse(one.notAfter)];
  return from + ((to - from) * 2) / 3;
}

function begin(now: Date): Date {
  return new Date(now.getTime() - backdate);
}

function after(now: Date, days: number): Date {
  return new Date(now.getTime() + days * day);
}
