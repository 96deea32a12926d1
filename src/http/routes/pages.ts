import { randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { endpoints } from '../../api/endpoints.ts';
import type { Person } from '../../identity/person.ts';
import { isWaybillError } from '../../kernel/error.ts';
import type { ChangeId, RunId } from '../../kernel/ids.ts';
import { Secret } from '../../kernel/secret.ts';
import { listRefusals } from '../../ops/list-refusals.ts';
import { showChange } from '../../ops/show-change.ts';
import { showPapers } from '../../ops/show-papers.ts';
import { listRuns, showRun } from '../../ops/show-run.ts';
import type { World } from '../../ops/world.ts';
import { changePage } from '../pages/change.ts';
import { homePage } from '../pages/home.ts';
import { html, type Html } from '../pages/html.ts';
import { imagePage, loginPage } from '../pages/image.ts';
import { page } from '../pages/layout.ts';
import { runPage, runScript } from '../pages/run.ts';
import type { Authenticate } from '../serve.ts';
import type { Sessions } from '../session.ts';
import { repositoryOf } from './administration.ts';

/** The read-only pages, rendered here; nothing on them changes anything. */
export function pageRoutes(app: FastifyInstance, world: World, who: Authenticate, sessions: Sessions): void {
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string', bodyLimit: 4096 }, (_, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(String(body))));
  });

  const send = (reply: FastifyReply, title: string, body: Html, person?: Person, script?: string) => {
    const nonce = randomBytes(16).toString('base64');
    void reply
      .type('text/html; charset=utf-8')
      .header(
        'content-security-policy',
        `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
      )
      .header('cache-control', 'no-store')
      .header('referrer-policy', 'no-referrer')
      .header('x-content-type-options', 'nosniff');
    return reply.send(
      page({
        title,
        nonce,
        body,
        ...(person ? { person: `${person.name} (${person.role})` } : {}),
        ...(script === undefined ? {} : { script }),
      }),
    );
  };

  /** A page for somebody who is logged in; everybody else gets the form. */
  const view = (
    path: string,
    render: (request: FastifyRequest, person: Person) => Promise<{ title: string; body: Html; script?: string }>,
  ) => {
    app.get(path, async (request, reply) => {
      const person = await who(request);
      if (!person) return send(reply.status(401), 'Log in', loginPage(undefined));
      try {
        const { title, body, script } = await render(request, person);
        return send(reply, title, body, person, script);
      } catch (error) {
        if (!isWaybillError(error, 'NOT_FOUND', 'INVALID_INPUT')) throw error;
        return send(
          reply.status(error.status),
          error.title,
          html`<h1>${error.title}</h1>
            <p>${error.detail}</p>
            <p class="soft">${error.fix}</p>`,
          person,
        );
      }
    });
  };

  app.post('/login', async (request, reply) => {
    const token = (request.body as { token?: unknown } | undefined)?.token;
    const person = typeof token === 'string' ? await world.identity.authenticate(new Secret(token.trim())) : undefined;
    if (!person) return send(reply.status(401), 'Log in', loginPage('This token is not valid.'));
    return reply.header('set-cookie', sessions.open(person.id)).redirect('/', 303);
  });

  view('/', async () => {
    const changes = (await world.source.listChanges({ limit: 20 })).map((change) => showChange(world, change));
    const known = await world.papers.snapshot();
    const body = homePage({
      repositories: (await world.source.listRepositories()).map((repository) => repositoryOf(world, repository)),
      changes: await Promise.all(changes),
      runs: await listRuns(world, { limit: 20 }),
      images: (known?.snapshot.images ?? [])
        .slice(-20)
        .toReversed()
        .map((image) => ({ ...image, commit: image.source.commit })),
      refusals: await listRefusals(world),
    });
    return { title: 'Overview', body };
  });

  view('/runs/:id', async (request) => {
    const id = endpoints.showRun.params.parse(request.params).id as RunId;
    const logs = await world.logs.names(id);
    const wanted = (request.query as { log?: string }).log;
    const chosen = logs.find((name) => name.join('/') === wanted) ?? logs.at(-1);
    return { title: `Run ${id}`, body: runPage(await showRun(world, id), logs, chosen), script: runScript };
  });

  view('/changes/:id', async (request) => {
    const id = endpoints.showChange.params.parse(request.params).id as ChangeId;
    return { title: `Change ${id}`, body: changePage(await showChange(world, await world.source.getChange(id))) };
  });

  view('/images/:digest', async (request) => {
    const { digest } = request.params as { digest: string };
    const { papers } = await showPapers(world, digest);
    const known = (await world.papers.snapshot())?.snapshot.images.find((image) => image.digest === digest);
    const statements = papers.map((paper) => ({
      predicateType: paper.predicateType,
      statement: statementOf(paper.bundle),
      ledgerIndex: paper.ledger.index,
    }));
    return { title: 'Image', body: imagePage(digest, known?.repository ?? 'image', statements) };
  });
}

/** For reading only: whether a paper is to be believed says `waybill verify`. */
function statementOf(bundle: unknown): unknown {
  const { dsseEnvelope } = bundle as { dsseEnvelope?: { payload?: string } };
  return JSON.parse(Buffer.from(dsseEnvelope?.payload ?? 'bnVsbA==', 'base64').toString('utf8'));
}
