/** Where a server is reached. Plain HTTP never leaves this machine. */
export function defaultAddress(server: string): { host: string; plainHttp: boolean } {
  const host = server === 'docker.io' ? 'registry-1.docker.io' : server;
  return { host, plainHttp: /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/.test(host) };
}
