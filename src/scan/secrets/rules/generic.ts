import type { Rule } from '../rule.ts';

/** What no other rule knows: something that a machine drew, given to a name that says it is secret. */
export const genericRules: readonly Rule[] = [
  {
    id: 'generic-api-key',
    title: 'Something random under a secret name',
    severity: 'medium',
    fix: 'Find out what it opens and take it out of use there. Then keep the new one out of the code: in a secret store, or in the environment.',
    keywords: ['access', 'api', 'auth', 'key', 'credential', 'creds', 'passwd', 'password', 'passphrase', 'pwd', 'secret', 'token'],
    match: { kind: 'assigned', value: String.raw`[\w.=+/~-]{10,200}` },
    check: 'generic',
    rank: 1,
    // Of the storage emulator's manual; and the search of a package manager's pages, public by intent.
    allow: [{ expressions: ['^Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6', '^6fe4476ee5a1832882e326b506d14126$'] }],
    examples: {
      found: ['<alnum:32>', '<hex:64>', '<word:30>'],
      none: [
        'primaryKey = "<alnum:32>"',
        'public_key = "<alnum:43>"',
        'credentialsId: "<uuid>"',
        'LLM_SECRET_NAME = "NEXUS-GPT4-API-KEY"',
        'csrf-token=<alnum:60>',
        'keyword: "Befaehigung_P2"',
        'secret_length = X25519.secret_length',
        'const apiUrl = "https://api.shop.net/v2/items"',
        'api_key = "your-api-key-goes-here-1"',
        'password = "${DB_PASSWORD_2}"',
        'GITHUB_API_KEY=\nDYNATRACE_API_KEY=',
        'token = getToken("production-1")',
        'token = "xoxp-1234-1234-1234-<hex:32>"',
        'SRCREV_moby = "<hex:40>"',
      ],
    },
  },
  {
    id: 'generic-password',
    title: 'Password in clear',
    severity: 'medium',
    fix: 'Change it where it is used. Then keep the new one out of the code: in a secret store, or in the environment.',
    keywords: ['password', 'passwd', 'passphrase', '_pass', 'pwd', '_secret'],
    match: { kind: 'assigned', value: String.raw`(?<=["'\x60])[^\s"'\x60<>{}\\]{8,100}(?=["'\x60])` },
    check: 'generic-password',
    rank: 0,
    // Of Microsoft's manual of NuGet.
    allow: [{ expressions: ['^33f!!lloppa$', String.raw`^hal\+9ooo_da!sY$`] }],
    examples: {
      found: ['Hn7!rq<alnum:3>#Xc2'],
      none: [
        'password = "correct horse battery"',
        'password: "Password1"',
        'password: "CleartextPassword1"',
        'password = "hal+9ooo_da!sY"',
        "label = 'password:Required'",
        'password = "changeme123!"',
        'type="password" name="pwd1"',
      ],
    },
  },
];
