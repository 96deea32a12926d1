import { serve } from '@hono/node-server';
import { createApp } from './app.js';
import { readRevision } from './revision.js';

const revision = readRevision();
const server = serve({ fetch: createApp(revision).fetch, port: Number(process.env.PORT ?? 8080) }, ({ port }) => {
  console.log(JSON.stringify({ message: 'shop is open', port, commit: revision.commit }));
});

for (const name of ['SIGTERM', 'SIGINT']) {
  process.on(name, () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections?.();
  });
}
