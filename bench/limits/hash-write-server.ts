/** The least that a registry has to do: streams a PUT to a file while hashing it, syncs, renames; streams a file on GET. Prints its port. */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, rename, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';

const folder = process.argv[2] ?? '';
await mkdir(folder, { recursive: true });
let uploads = 0;

const server = createServer({ highWaterMark: 256 * 1024 }, async (request, response) => {
  const file = path.join(folder, path.basename(request.url ?? ''));
  if (request.method === 'PUT') {
    const temporary = path.join(folder, `.${++uploads}`);
    const hash = createHash('sha256');
    request.on('data', (chunk: Buffer) => hash.update(chunk));
    await pipeline(request, createWriteStream(temporary, { highWaterMark: 2 ** 20 }));
    await using handle = await open(temporary, 'r+');
    await handle.sync();
    await rename(temporary, file);
    response.writeHead(201, { digest: hash.digest('hex') }).end();
    return;
  }
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) return void response.writeHead(404).end();
  const { size } = found;
  response.writeHead(200, { 'content-length': size });
  if (request.method === 'HEAD') response.end();
  else await pipeline(createReadStream(file, { highWaterMark: 2 ** 20 }), response);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(typeof address === 'object' && address ? address.port : '');
});
