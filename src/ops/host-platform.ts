/** What is built when a plan names no platform. */
export function hostPlatform(): { readonly os: string; readonly architecture: string } {
  return { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
}
