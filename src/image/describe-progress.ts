import type { BuildProgress } from './layers/build-context.ts';

/** A line for the log of a build. */
export function describeProgress(event: BuildProgress): string {
  const seconds = 'milliseconds' in event ? ` in ${(event.milliseconds / 1000).toFixed(1)} s` : '';
  switch (event.kind) {
    case 'sandbox':
      return `ran ${event.commands.join(' && ')}${seconds}`;
    case 'layer':
      return describeLayer(event, seconds);
    case 'base':
      return `base ${event.digest}: ${(event.size / 1e6).toFixed(1)} MB`;
    case 'engine':
      return `${event.name} ${event.version}: ${event.isolation}`;
    case 'image':
      return `image ${event.digest}`;
  }
}

function describeLayer({ layer, cached }: Extract<BuildProgress, { kind: 'layer' }>, seconds: string): string {
  const part = layer.part === undefined ? '' : ` (${layer.part})`;
  return `layer ${layer.from} → ${layer.to}${part}: ${(layer.size / 1e6).toFixed(1)} MB${cached ? ', unchanged' : ''}${seconds}, ${layer.diffId}`;
}
