import { createServer, type Server } from 'node:net';
import { once } from 'node:events';

/** Ports of 127.0.0.1 that nobody used a moment ago, chosen by the kernel; all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  try {
    const ports: number[] = [];
    for (let i = 0; i < count; i++) {
      const server = createServer();
      servers.push(server);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      if (typeof address === 'object' && address !== null) ports.push(address.port);
    }
    return ports;
  } finally {
    for (const server of servers) server.close();
  }
}
