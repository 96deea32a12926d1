/** The one style sheet of the read-only pages; follows the system's light or dark. */
export const style = `
:root{color-scheme:light dark;--bg:#f7f7f5;--card:#fff;--ink:#1c1d1f;--soft:#6a6d73;--line:#dfe0dc;--good:#1a7f4b;--bad:#c0322b;--run:#1764c0;--warn:#a66a00;--accent:#7a4b13}
@media(prefers-color-scheme:dark){:root{--bg:#16171a;--card:#1e2024;--ink:#e8e8e6;--soft:#9a9da4;--line:#34373d;--good:#4cc38a;--bad:#ff7b72;--run:#6cb0ff;--warn:#e0b050;--accent:#d9a562}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
header{display:flex;gap:1.2rem;align-items:baseline;padding:.8rem 1.5rem;border-bottom:1px solid var(--line);background:var(--card)}
header strong{font-size:1.1rem;letter-spacing:.02em;color:var(--accent)}header span{color:var(--soft);margin-left:auto}
a{color:var(--run);text-decoration:none}a:hover{text-decoration:underline}
main{max-width:72rem;margin:0 auto;padding:1.2rem 1.5rem 4rem}h1{font-size:1.4rem;margin:.4rem 0 .2rem}h2{font-size:1.02rem;margin:1.8rem 0 .6rem}
.soft{color:var(--soft)}code,pre,.mono{font:13px/1.45 ui-monospace,monospace}
table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line);border-radius:8px;overflow:hidden}
th,td{text-align:left;padding:.45rem .7rem;border-top:1px solid var(--line);vertical-align:top}th{font-weight:600;color:var(--soft);font-size:.85rem;border-top:0}
.way{display:flex;flex-wrap:wrap;gap:.4rem;align-items:stretch}.way .part{background:var(--card);border:1px solid var(--line);border-left-width:4px;border-radius:8px;padding:.5rem .8rem;min-width:8.5rem}
.way .arrow{align-self:center;color:var(--soft)}.part b{display:block}.part small{color:var(--soft);display:block}
.passed,.reused,.merged,.allow{--c:var(--good)}.failed,.deny{--c:var(--bad)}.running,.open{--c:var(--run)}.waiting,.skipped,.abandoned{--c:var(--soft)}.cancelled,.interrupted,.warn{--c:var(--warn)}
.part{border-left-color:var(--c)!important}.badge{color:var(--c);font-weight:600;white-space:nowrap}
pre.log{background:#101114;color:#d6d6d2;border-radius:8px;padding:.8rem 1rem;max-height:32rem;overflow:auto;white-space:pre-wrap;word-break:break-word;margin:.3rem 0 1rem}
pre.log .w{color:#6cb0ff}pre.log .e{color:#e0b050}.tabs a{margin-right:1rem}.tabs a[aria-current]{font-weight:700;color:var(--ink)}
.note{border-left:4px solid var(--warn);background:var(--card);padding:.5rem .9rem;margin:.5rem 0}
form.login{max-width:24rem;margin:4rem auto;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.5rem;display:grid;gap:.8rem}
input,button{font:inherit;padding:.5rem .7rem;border-radius:6px;border:1px solid var(--line);background:var(--bg);color:var(--ink)}button{background:var(--run);color:#fff;border:0;cursor:pointer}
`;
