import type { Candidate, Judgement } from './candidate.ts';
import { entropy, restlessness } from './entropy.ts';
import { lineStart } from './near.ts';
import { isPlaceholder } from './placeholder.ts';

/**
 * Something random that is given to a name which says that it is secret. There is no form to know it by, so that everything here is about precision: what names mean
 * something else, what values are drawn by a machine, and what stands around it.
 */
export function judgeGeneric(candidate: Candidate): Judgement {
  const { text, value, valueStart, nameEnd, path } = candidate;
  // The cheapest first: most values are words.
  if (!isRandom(value, true) || harmlessPath.test(path)) return undefined;
  const name = nameAround(text, nameEnd);
  const between = text.slice(nameEnd, valueStart);
  if (harmless.test(name) || harmless.test(between)) return undefined;
  const line = text.slice(lineStart(text, nameEnd, 200), valueStart + value.length + 100);
  if (harmlessLine.test(line)) return undefined;
  // An empty `NAME=` whose value would be the next line, and what is called or looked up rather than written down.
  if (between.includes('\n') && !/[|>]|alue/.test(between) && /^[\w.-]+[ \t]*[=:]/.test(text.slice(valueStart, valueStart + 80)))
    return undefined;
  const after = text.charAt(valueStart + value.length);
  if (after === '(' || after === '[' || after === '{') return undefined;
  return strong.test(name) || isRandom(value, false) ? {} : undefined;
}

/** Whether a value is one that a machine drew. A strong name, which leaves no doubt about what it is given, asks for less. */
export function isRandom(value: string, strongName: boolean): boolean {
  if (value.length < 10 || isPlaceholder(value)) return false;
  const digits = value.replaceAll(/\D/g, '').length;
  if (digits === 0 || /^[\d.,:_-]+$/.test(value)) return false;
  if (uuid.test(value)) return strongName;
  // Versions, dates, addresses, paths, names of hosts, of files, of packages, of constants.
  if (notRandom.some((shape) => shape.test(value))) return false;
  if (/^[0-9a-f]+$/i.test(value)) return strongName && value.length >= 16 && entropy(value) >= 2.9;
  const bits = entropy(value);
  const least = strongName ? 3.5 : 3.7;
  if (bits < least) return false;
  if (!strongName && value.length < 16) return false;
  // Words with a number behind them, `prod-cluster-2`: parts that are words weigh against it.
  const parts = value.split(/[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z][a-z]{2})/).filter((part) => part !== '');
  const wordy = parts.filter((part) => /^(?:[A-Z]?[a-z]{2,}|[A-Z]{2,}|\d{1,4})$/.test(part)).join('').length;
  if (wordy > 0.6 * value.length && parts.length > 1) return false;
  // A name of several words, however many numbers are in it: `StorageV1TokenRequest`.
  const letters = (value.replaceAll(/[vV]\d+(?:(?:alpha|beta)\d*)?/g, '').match(/[A-Z][a-z]{3,}|^[a-z]{4,}(?=[A-Z])/g) ?? []).join(
    '',
  ).length;
  if (letters >= 0.55 * value.length) return false;
  return restlessness(value) >= (value.length >= 40 ? 0.12 : 0.18);
}

function nameAround(text: string, end: number): string {
  let from = end;
  while (from > 0 && end - from < 80 && /[\w.-]/.test(text.charAt(from - 1))) from--;
  let to = end;
  while (to < text.length && to - end < 60 && /[\w.-]/.test(text.charAt(to))) to++;
  return text.slice(from, to);
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const strong =
  /passw(?:or)?d|passwd|pwd|passphrase|secret|token|credential|creds|api[_.-]?key|auth|access[_.-]?key|private[_.-]?key|encrypt\w*[_.-]?key|sign\w*[_.-]?key|master[_.-]?key|account[_.-]?key|storage[_.-]?key|license[_.-]?key|session[_.-]?key|app[_.-]?key|shared[_.-]?key|hmac|salt/i;

/** Names that have one of the keywords in them and mean something else. */
const harmless = new RegExp(
  [
    'access(?:ibility|ible|or|ories|ed|ing|[_.-]?(?:id|level|mode|log|type|point|control|policy|tier|time))',
    'random[_.-]?access',
    'api[_.-]?(?:id|name|version|group|url|uri|host|base|path|endpoint|type|docs?|level|server|target|module)',
    'rapid|capital|therapist|author(?!iz)|authenticat(?:ion|or)[_.-]?(?:type|method|mode|class|result|source|uri|url)|auth(?:entication-results|source|[_.-]?(?:type|method|mode|url|uri|endpoint|domain|provider|server|host|user(?:name)?|id))',
    'x-ms-exchange|oauth[_.-]?(?:callback|redirect)',
    'credentials?[_.-]?(?:id|name|type|url|uri|file|path|provider|source)|withcredentials',
    '(?:bucket|cache|foreign|hot|idx|natural|primary|pub(?:lic)?|schema|sequence|sort(?:ing)?|partition|row|map|object|storage[_.-]?object|translation|i18n|message|group(?:ing)?|query|order|unique|index|short|arrow|hash|range|lookup|join|routing|dedup\\w*|idempoten\\w*|feature|flag|metadata|label|item|site|publishable|host|known|ssh[_.-]?host|menu|config|option|property|registry|package|event|trace|react)[_.-]?keys?(?![a-z])',
    '(?:tur|mon|don|jo|hoc|whis|jer|lac|tur)key|hockey|keystone|keynote',
    'key[_.-]?(?:alias|board|code|codes|down|file|format|frame|frames|id|ids|identifier|grip|len(?:gth)?|mesh|mapping|name|names|pair|path|press(?:ed)?|ref|ring|selector|signature|size|space|spec|stone|store|type|up|usage|version|word|words|left|right|event|sym|tab|vault|chain|hash|schedule|exchange|algo\\w*|index|field|column|prefix|suffix|pattern|set)(?![a-z])',
    'keyword|keying|keyer|issuerkeyhash|subjectkeyidentifier|authoritykeyidentifier|subject_public_key|keyvaulttostore',
    'secrets?[_.-]?(?:length|name|size|arn|ref|path|id|key[_.-]?ref|version|type|store|engine|mount|provider|manager|namespace|class|file)(?![a-z])|usersecretsid|secretary|non[_.-]?secret',
    '(?:csrf|xsrf|anti[_.-]?forgery|crumb)[_.-]?token|request[_.-]?verification',
    '(?:page|next|continuation|pagination|sync|cursor|nextpage|public|lock|cancel(?:lation)?|cancell?ation|design|sas[_.-]?policy|syntax|lex|parse\\w*|comment|keyword|string|operator)[_.-]?tokens?(?![a-z])',
    'token(?:iz\\w*|s(?:[_.-]|$)|[_.-]?(?:endpoint|url|uri|type|file|path|name|id|length|size|kind|index|count|limit|issuer|audience|address|symbol|contract|expir\\w*|lifetime|ttl|budget|usage|pattern|class|value[_.-]?type))(?![a-z])',
    'password[_.-]?(?:hash|length|field|policy|reset[_.-]?url|file|path|label|hint|regex|pattern|strength|min|max|input)|puttypassword|passwordless',
    'jsonwebtoken|checksum|digest|integrity|fingerprint|md5|sha[_-]?(?:1|224|256|384|512)|etag|revision|srcrev|(?<![a-z_.-])commit|commit[_.-]?(?:id|sha|hash|ref)|nonce|content[_.-]?hash|bytecode|abi(?![a-z])',
  ].join('|'),
  'i',
);

const harmlessLine =
  /--mount=type=secret|import[ \t]+\{|require\(["']|["']?integrity["']?\s*:|sha(?:256|512)[-:]|"resolved"|LIC_FILES_CHKSUM|SRCREV|<orderEntry|PublicKeyToken=|public[ _-]?key|BEGIN (?:CERTIFICATE|PUBLIC)|ssh-(?:rsa|ed25519) AAAA|x:Key=|ENC\[|\$ANSIBLE_VAULT|\bencrypted\b|sealed|AgB[A-Za-z0-9+/]{60}|:jar:/i;

/** Made by machines, or other people's: what looks secret in there is a hash, a position, a translation. */
export const harmlessPath = new RegExp(
  [
    String.raw`(?:^|/)(?:node_modules|bower_components|vendor|third[_-]?party|\.yarn|\.pnpm-store|site-packages|dist-packages|\.terraform/providers)/`,
    String.raw`(?:^|/)(?:deno\.lock|npm-shrinkwrap\.json|package-lock\.json|pnpm-lock\.ya?ml|yarn\.lock|bun\.lockb?|(?:Pipfile|poetry|uv|pdm|Cargo|composer|Gemfile|mix|pubspec|flake|Podfile|packages)\.lock(?:\.json)?|go\.(?:mod|sum|work(?:\.sum)?)|gradle\.lockfile|verification-metadata\.xml|Chart\.lock|\.terraform\.lock\.hcl|Package\.resolved|requirements[\w.-]*\.txt|gradlew(?:\.bat)?|mvnw(?:\.cmd)?)$`,
    String.raw`\.(?:min\.(?:js|css)|map|svg|css|scss|less|po|pot|mo|snap|wasm|pdb|rlib|pack|idx|iml|resx|xlf|geojson|asc|sig|pem|crt|cer|pub|lock|sum|storyboard|xib|pbxproj|refactorlog|bb|bbappend|bbclass)$`,
    String.raw`(?:^|/)(?:javascript\.json|known_hosts|authorized_keys)$`,
  ].join('|'),
  'i',
);

const notRandom: readonly RegExp[] = [
  /^v?\d+(?:\.\d+)+(?:[-+.]\w+)*$/,
  /^(?:rc)?\d+\.\d+\.\d+/,
  /^\d{4}-\d\d-\d\d/,
  /^(?:\/|\.{1,2}\/|~\/|[A-Za-z]:\\)/,
  /^[a-z][a-z0-9+.-]*:\/\//i,
  /^[\w.-]+\.(?:com|org|net|io|dev|local|internal|svc|json|ya?ml|txt|pem|key|crt|cer|p12|pfx|jks|js|ts|go|py|rb|java|cs|php|html?|xml|properties|conf|cfg|ini|md|sh|exe|dll|so|tf|sql|csv|png|jpg|svg)(?::\d+)?$/i,
  /^[\w.+-]+@[\w-]+\.[\w.]+$/,
  /^(?:arn|urn|projects|sha\d+|md5|pkg|npm|ssh-\w+|ecdsa-\w+|spki|crn|ocid1|data|file|jdbc|git|docker|refs?):?[:/-]/,
  /^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+$/,
  /^[A-Z][A-Z0-9]*(?:[_-][A-Z0-9]+)+$/,
  /^[a-z]+(?:[A-Z][a-z]+)+\d{0,4}$/,
  /^[A-Z]?[a-z]+(?:[_-][a-z]+)*[_-]?\d{0,4}$/,
  /^(?:0x)?[0-9A-F]{1,2}(?:[:,-][0-9A-F]{2})+$/i,
  /^0x[0-9a-f]{1,64}$/i,
  /^[a-z-]+\/[a-z0-9.-]+(?:\/[a-z0-9.-]+)*$/,
];

/** A quoted password that people made: characters of three classes, and no word that everybody uses for show. */
export function judgePassword(candidate: Candidate): Judgement {
  const { text, value, valueStart, nameEnd, path } = candidate;
  const name = nameAround(text, nameEnd);
  if (harmless.test(name) || harmlessPath.test(path) || isPlaceholder(value)) return undefined;
  const classes = [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/].filter((each) => each.test(value)).length;
  if (classes < 3 || !/\d/.test(value) || /^(?:pass|admin|root|user|test|demo|secret|welcome|qwerty|letmein)|passw(?:or)?d/i.test(value))
    return undefined;
  if (notRandom.some((shape) => shape.test(value)) || /[()[\];,]|:\/\/|=>|^\/|%[sd]/.test(value) || uuid.test(value)) return undefined;
  if (!/[:=]/.test(text.slice(nameEnd, valueStart))) return undefined;
  return entropy(value) >= 2.8 && restlessness(value) >= 0.1 ? {} : undefined;
}
