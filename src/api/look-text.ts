import type { ImportLookView } from './import-views.ts';

type Done = Extract<ImportLookView, { state: 'done' }>;
type Counts = Done['found'];

/** In a few words, for a row of a table. */
export function lookCell(look: ImportLookView): string {
  switch (look.state) {
    case 'waiting':
      return 'not looked at yet';
    case 'failed':
      return 'could not look';
    case 'done':
      return `${countsText(look.found)}${look.against ? `; new: ${countsText(look.against.fresh)}` : ''}`;
  }
}

/** What people must know before they vouch, a sentence a line. What comes from the image is as it stands there: whoever prints it makes it harmless. */
export function lookLines(look: ImportLookView): string[] {
  if (look.state === 'waiting') return ['Nobody has looked into it yet: the server does so behind the request.'];
  if (look.state === 'failed') return [`Nobody could look into it: ${look.why} (${minute(look.at)}).`];
  const { against, image } = look;
  return [
    `Looked into on ${minute(look.at)}: ${countsText(look.found)}; ${look.components} components.`,
    against
      ? `Against import ${against.import} (${against.digest.slice(0, 19)}), new: ${countsText(against.fresh)}; gone: ${against.gone}.`
      : 'There is no earlier import of that name to compare it with.',
    `${image.systems.length > 0 ? image.systems.join(', ') : 'No system that names itself'}, for ${image.platforms.join(', ')}; ${megabytes(image.bytes)}; ${
      image.root ? 'runs as root' : 'does not run as root'
    }.`,
  ];
}

function countsText({ critical, high, medium, low, unknown, credentials, habits, gaps }: Counts): string {
  const rated = Object.entries({ critical, high, medium, low, 'of unknown severity': unknown }).flatMap(([word, count]) =>
    count > 0 ? [`${count} ${word}`] : [],
  );
  const others = [
    counted(credentials, 'credential', 'credentials'),
    counted(habits, 'habit', 'habits'),
    counted(gaps, 'part not looked at', 'parts not looked at'),
  ].filter((text) => text !== '');
  return [rated.length > 0 ? rated.join(', ') : 'no vulnerability', ...others].join('; ');
}

const counted = (count: number, one: string, many: string) => (count === 0 ? '' : `${count} ${count === 1 ? one : many}`);
const minute = (at: string) => `${at.slice(0, 16).replace('T', ' ')}`;
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
