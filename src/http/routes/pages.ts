import type { FastifyInstance, FastifyRequest } from 'fastify';
import { endpoints } from '../../api/endpoints.ts';
import type { Person } from '../../identity/person.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { ChangeId, RunId } from '../../kernel/ids.ts';
import { Secret } from '../../kernel/secret.ts';
import { listCurrentReleases } from '../../ops/list-current-releases.ts';
import { listRefusals } from '../../ops/list-refusals.ts';
import { showChange } from '../../ops/show-change.ts';
import { showPapers } from '../../ops/show-papers.ts';
import { listRuns, showRun } from '../../ops/show-run.ts';
import { importView, showImport } from '../../ops/show-import.ts';
import { scansOfChange, showScans } from '../../ops/show-scans.ts';
import { showSince, sinceOfChange } from '../../ops/show-since.ts';
import { newlyVulnerable } from '../../ops/where.ts';
import type { World } from '../../ops/world.ts';
import { asWaybillError } from '../errors.ts';
import { changePage } from '../pages/change.ts';
import { homePage } from '../pages/home.ts';
import { imagePage } from '../pages/image.ts';
import { importPage } from '../pages/import.ts';
import { icon } from '../pages/layout.ts';
import { liveScript } from '../pages/live.ts';
import { tailOf } from '../pages/log.ts';
import { failurePage, loginPage } from '../pages/login.ts';
import { chooseLog } from '../pages/run-parts.ts';
import { runPage } from '../pages/run.ts';
import { sendPage, type Page } from '../send-page.ts';
import type { Authenticate } from '../serve.ts';
import type { Sessions } from '../session.ts';
import { repositoryOf } from './administration.ts';

/** Where one may go after logging in: a path of these pages, nothing that a browser could take for another host. */
const localPath = /^(?:\/|(?:\/[\w:.-]+){1,8})(?:\?[\w%=&.~+-]{0,500})?$/;

/** The read-only pages, rendered here; nothing on them changes anything but the session. */
export function pageRoutes(app: FastifyInstance, world: World, who: Authenticate, sessions: Sessions): void {
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string', bodyLimit: 4096 }, (_, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(String(body))));
  });

  /** A page for somebody who is logged in; everybody else gets the form. */
  const view = (path: string, render: (request: FastifyRequest, person: Person) => Promise<Page>) => {
    app.get(path, async (request, reply) => {
      let person: Person | undefined;
      try {
        person = await who(request);
        if (!person) return await sendPage(reply.status(401), { title: 'Log in', body: loginPage(nextOf(request.url)) });
        return await sendPage(reply, await render(request, person), person);
      } catch (error) {
        const known = asWaybillError(error);
        if (known.code === 'INTERNAL') world.logger.error({ path: request.url, stack: known.stack }, 'a page failed');
        return sendPage(reply.status(known.status), { title: known.title, body: failurePage(known) }, person);
      }
    });
  };

  app.get('/icon.svg', async (_, reply) => reply.type('image/svg+xml').header('cache-control', 'max-age=86400').send(icon));

  app.get('/login', async (request, reply) =>
    (await who(request)) ? reply.redirect('/', 303) : sendPage(reply, { title: 'Log in', body: loginPage() }),
  );
  app.post('/login', async (request, reply) => {
    const { token, next } = (request.body ?? {}) as { token?: unknown; next?: unknown };
    const secret = typeof token === 'string' ? new Secret(token.trim()) : undefined;
    const person = secret && (await world.identity.authenticate(secret));
    const to = nextOf(next);
    if (!secret || !person) {
      const body = loginPage({ message: 'This token is not valid, was revoked or has expired.', ...to });
      return sendPage(reply.status(401), { title: 'Log in', body });
    }
    return reply.header('set-cookie', sessions.open(secret)).redirect(to.next ?? '/', 303);
  });
  app.post('/logout', async (request, reply) => reply.header('set-cookie', sessions.close(request.headers.cookie)).redirect('/login', 303));

  view('/', async () => {
    const [changes, known, repositories, runs, releases, refusals, { news }, imports] = await Promise.all([
      world.source.listChanges({ limit: 20 }).then((all) => Promise.all(all.map((change) => showChange(world, change)))),
      world.papers.snapshot(),
      world.source.listRepositories(),
      listRuns(world, { limit: 20 }),
      listCurrentReleases(world),
      listRefusals(world),
      newlyVulnerable(world, { pods: false, better: false, signal: AbortSignal.timeout(10_000) }),
      world.imports.list(),
    ]);
    const body = homePage({
      repositories: repositories.map((repository) => repositoryOf(world, repository)),
      changes,
      runs,
      images: (known?.snapshot.images ?? [])
        .slice(-20)
        .toReversed()
        .map((image) =>
          image.imported
            ? { digest: image.digest, repository: image.repository, imported: image.imported }
            : { digest: image.digest, repository: image.repository, commit: image.source.commit, run: image.run },
        ),
      imports: imports
        .filter(({ state }) => state === 'requested' || state === 'approved')
        .slice(0, 20)
        .map(importView),
      environments: releases.map(({ release, ...place }) => ({
        ...place,
        ...(release
          ? { release: { ...release, digests: Object.values(release.digests), at: release.finishedAt ?? release.startedAt } }
          : {}),
      })),
      refusals,
      news,
    });
    return { title: 'Overview', body, script: liveScript };
  });

  view('/runs/:id', async (request) => {
    const id = numberIn(request) as RunId;
    const run = await showRun(world, id);
    const names = await world.logs.names(id);
    const logs = names.map((name) => name.join('/'));
    const { log: wanted } = request.query as { log?: unknown };
    const picked = logs.find((name) => name === wanted);
    const shown = picked ?? chooseLog(run, logs);
    const name = names.find((each) => each.join('/') === shown);
    const body = runPage({
      view: run,
      scans: await showScans(world, id),
      since: await showSince(world, id),
      logs,
      picked: picked !== undefined,
      now: world.clock.now(),
      ...(name === undefined || shown === undefined
        ? {}
        : { log: await tailOf(shown, world.logs.read(id, name, { signal: request.signal })) }),
    });
    return { title: `Run ${id} ${run.status}`, body, script: liveScript };
  });

  view('/changes/:id', async (request) => {
    const change = await showChange(world, await world.source.getChange(numberIn(request) as ChangeId));
    return {
      title: `Change ${change.id}: ${change.title}`,
      body: changePage(change, {
        scans: await scansOfChange(world, change),
        since: await sinceOfChange(world, change),
        now: world.clock.now(),
      }),
      script: liveScript,
    };
  });

  view('/imports/:id', async (request) => {
    const shown = await showImport(world, numberIn(request));
    return { title: `Import ${shown.view.id}`, body: importPage(shown), script: liveScript };
  });

  view('/images/:digest', async (request) => {
    const { digest } = request.params as { digest: string };
    const { papers } = await showPapers(world, digest);
    const known = (await world.papers.snapshot())?.snapshot;
    const vouched = known?.images.find((image) => image.digest === digest);
    const revoked = known?.revoked.find((each) => each.digest === digest);
    const body = imagePage({
      digest,
      ...(vouched ? { vouched, reference: `${world.registryName}/${vouched.repository}@${digest}` } : {}),
      ...(revoked ? { revoked: revoked.reason } : {}),
      papers: papers.map((paper) => ({
        predicateType: paper.predicateType,
        statement: statementOf(paper.bundle),
        ledgerIndex: paper.ledger.index,
      })),
    });
    return { title: `Image ${digest.slice(0, 19)}`, body };
  });

  app.setNotFoundHandler(async (request, reply) => {
    const error = new WaybillError('NOT_FOUND', 'there is nothing at this address');
    const browser = request.method === 'GET' && /\btext\/html\b/.test(request.headers.accept ?? '');
    if (!browser) return reply.status(error.status).send({ error });
    return sendPage(reply.status(error.status), { title: error.title, body: failurePage(error) }, await who(request));
  });
}

/** @throws WaybillError NOT_FOUND: what is no number names nothing */
function numberIn(request: FastifyRequest): number {
  const parsed = endpoints.showRun.params.safeParse(request.params);
  if (!parsed.success) throw new WaybillError('NOT_FOUND', 'the address holds no valid number');
  return parsed.data.id;
}

function nextOf(path: unknown): { next?: string } {
  return typeof path === 'string' && path !== '/' && localPath.test(path) ? { next: path } : {};
}

/** For reading only: whether a paper is to be believed says `waybill verify`. */
function statementOf(bundle: unknown): unknown {
  const { dsseEnvelope } = bundle as { dsseEnvelope?: { payload?: string } };
  return JSON.parse(Buffer.from(dsseEnvelope?.payload ?? 'bnVsbA==', 'base64').toString('utf8'));
}
