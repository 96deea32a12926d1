/** Colours as pairs [light, dark]; what is read has a contrast of at least 4.5 on `bg` and `card` (style.test.ts). */
export const colours = {
  bg: ['#f6f6f3', '#141518'],
  card: ['#ffffff', '#1c1e22'],
  ink: ['#1c1d1f', '#e9e9e6'],
  soft: ['#5d6066', '#a2a5ac'],
  line: ['#dddeda', '#33363c'],
  good: ['#17703f', '#57c78f'],
  bad: ['#b3261e', '#ff8a80'],
  run: ['#155cb0', '#7ab8ff'],
  warn: ['#8a5700', '#e3b65a'],
  accent: ['#7a4b13', '#dba767'],
} as const satisfies Record<string, readonly [light: string, dark: string]>;

const set = (index: 0 | 1) =>
  Object.entries(colours)
    .map(([name, pair]) => `--${name}:${pair[index]}`)
    .join(';');

/** The one style sheet of the read-only pages; follows the system's light or dark. */
export const style = `
:root{color-scheme:light dark;${set(0)}}
@media(prefers-color-scheme:dark){:root{${set(1)}}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem;overflow-y:scroll}
body{margin:0;min-height:100vh;display:flex;flex-direction:column;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
a{color:var(--run);text-decoration:none;text-underline-offset:.18em}a:hover,a:focus-visible{text-decoration:underline}
:focus-visible{outline:2px solid var(--run);outline-offset:2px;border-radius:3px}
main:focus{outline:0}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.6rem;background:var(--card);padding:.4rem .8rem;z-index:1}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
body>header{display:flex;flex-wrap:wrap;gap:.3rem 1.6rem;align-items:center;min-height:3.2rem;padding:.5rem 1.5rem;border-bottom:1px solid var(--line);background:var(--card)}
.brand{font-size:1.12rem;font-weight:700;letter-spacing:.01em;color:var(--accent)}
header nav{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem}header nav a{color:var(--ink)}
.who{margin-left:auto;display:flex;gap:.9rem;align-items:center}
main{flex:1;width:100%;max-width:76rem;margin:0 auto;padding:1.3rem 1.5rem 3rem}
footer{border-top:1px solid var(--line);color:var(--soft);font-size:.85rem;padding:.2rem 1.5rem;text-align:center}
h1{font-size:1.5rem;line-height:1.3;margin:.1rem 0 .7rem;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:2rem 0 .6rem}h3{font-size:1rem;margin:0 0 .5rem}
h1.unseen+section h2{margin-top:.4rem}
.over{margin:.2rem 0 0;color:var(--soft)}.soft{color:var(--soft);font-weight:400}
code,pre,.log{font-family:ui-monospace,"SFMono-Regular","DejaVu Sans Mono",Menlo,monospace;font-size:.86em}
code{overflow-wrap:anywhere}.command{display:inline-block;max-width:100%;background:color-mix(in srgb,var(--ink) 7%,transparent);border-radius:4px;padding:.1em .4em;user-select:all}
time,.end{font-variant-numeric:tabular-nums}time{white-space:nowrap}
table{border-collapse:separate;border-spacing:0;width:100%;background:var(--card);border:1px solid var(--line);border-radius:8px}
th,td{text-align:left;font-weight:400;padding:.5rem .8rem;border-top:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere;unicode-bidi:isolate}
thead th{font-weight:600;color:var(--soft);font-size:.84rem;border-top:0;overflow-wrap:normal}tbody th{white-space:nowrap}tbody td:empty::before{content:"–"/"";color:var(--soft)}
#refusals tbody th{white-space:normal;min-width:14rem}
.empty{margin:0;padding:.9rem 1rem;border:1px dashed var(--line);border-radius:8px;color:var(--soft)}
.badge{--c:var(--soft);color:var(--c);font-weight:600;white-space:nowrap}
.passed,.reused,.merged{--c:var(--good)!important}.failed{--c:var(--bad)!important}.running,.open{--c:var(--run)!important}.cancelled,.interrupted{--c:var(--warn)!important}.waiting,.skipped,.abandoned,.void{--c:var(--soft)!important}
.facts{display:flex;flex-wrap:wrap;gap:.7rem 2.2rem;margin:.2rem 0 1rem}.facts div{min-width:0;max-width:100%}.facts dt{color:var(--soft);font-size:.84rem}.facts dd{margin:0;overflow-wrap:anywhere;unicode-bidi:isolate}
.note{--c:var(--warn);border:1px solid var(--line);border-left:4px solid var(--c);border-radius:6px;background:var(--card);padding:.55rem .9rem;margin:.6rem 0;overflow-wrap:anywhere;white-space:pre-wrap}.note.bad{--c:var(--bad)}
.way{list-style:none;margin:0 0 .8rem;padding:0;display:flex;flex-wrap:wrap;gap:.9rem 1.9rem}
.part{--c:var(--line);flex:1 1 10.5rem;max-width:16rem;position:relative;min-height:5.9rem;background:var(--card);border:1px solid var(--line);border-top:4px solid var(--c);border-radius:8px;padding:.5rem .8rem}
.part b,.part small{display:block;overflow-wrap:anywhere}.part small{color:var(--soft);font-variant-numeric:tabular-nums}
.part:not(:last-child)::after{content:"→"/"";position:absolute;left:calc(100% + .45rem);top:50%;transform:translateY(-50%);color:var(--soft);font-size:1.1rem}
.work{display:grid;grid-template-columns:minmax(15rem,21rem) minmax(0,1fr);gap:0 1.6rem;align-items:start}
.jobs,.jobs ol{list-style:none;margin:0;padding:0}.jobs>li{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.5rem .8rem;margin-bottom:.6rem}
.jobs>li:has([aria-current]){border-color:var(--run)}.job{font-weight:600}.job,.jobs ol li{display:flex;flex-wrap:wrap;gap:0 .6rem;align-items:baseline}.jobs ol li{color:var(--soft);font-size:.92em}.jobs ol .badge{font-weight:400}
.end{margin-left:auto;white-space:nowrap;font-weight:400;color:var(--soft)}
.log{background:#0f1013;color:#dcdcd8;border-radius:8px;padding:.7rem .9rem;height:34rem;max-height:75vh;overflow:auto;line-height:1.45;scrollbar-color:#555 #0f1013}
.log .empty{border:0;color:#a2a5ac;padding:0}
.l{display:grid;grid-template-columns:8em 1.2em minmax(0,1fr)}.l time{color:#8b8e95}.l i{font-style:normal}.l span{grid-column:3;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate;min-height:1.45em}
.l.w{color:#7ab8ff}.l.e{color:#e9bd62}
.papers{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,30rem),1fr));gap:.9rem;align-items:start}
.paper{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;min-width:0}.paper .facts{display:grid;grid-template-columns:1fr;gap:.25rem}.paper .facts div{display:grid;grid-template-columns:7.5rem minmax(0,1fr);gap:.6rem}
details summary{cursor:pointer;color:var(--soft);overflow-wrap:anywhere}details pre{max-height:26rem;overflow:auto;margin:.6rem 0 0;padding:.7rem;background:var(--bg);border-radius:6px}
.login{width:100%;max-width:25rem;margin:8vh auto 0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.6rem;display:grid;gap:.7rem}.login h1,.login p{margin:0}
input,button{font:inherit;padding:.5rem .8rem;border-radius:6px;border:1px solid var(--soft);background:var(--bg);color:var(--ink);min-width:0}
button{background:var(--run);color:var(--bg);border-color:transparent;font-weight:600;cursor:pointer}button:hover{filter:brightness(1.08)}
button.quiet{background:none;color:var(--soft);border:1px solid var(--line);font-weight:400;padding:.15rem .6rem}
@media(prefers-reduced-motion:no-preference){.part.running{animation:pulse 2s ease-in-out infinite}@keyframes pulse{50%{border-top-color:color-mix(in srgb,var(--c) 35%,transparent)}}}
@media(max-width:56rem){.work{grid-template-columns:minmax(0,1fr)}}
@media(max-width:44rem){
body>header,main{padding-left:1rem;padding-right:1rem}
.way{flex-direction:column;gap:1.7rem}.part{min-height:0;flex:none;max-width:none}.part:not(:last-child)::after{content:"↓"/"";left:50%;top:calc(100% + .85rem)}
.log{height:26rem}.l{grid-template-columns:1.2em minmax(0,1fr)}.l time{display:none}.l span{grid-column:2}
table,tbody,tr,tbody th,td{display:block}thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tbody tr{padding:.4rem 0;border-top:1px solid var(--line)}tbody tr:first-child{border-top:0}
tbody th,td{position:relative;border:0;padding:.15rem .8rem .15rem 7.6rem}tbody td:empty{display:none}tbody th{font-weight:600;white-space:normal}
tbody th::before,td::before{content:attr(data-label);position:absolute;left:.8rem;max-width:6.5rem;color:var(--soft);font-size:.84rem;font-weight:400}
#refusals tbody th{min-width:0}
}
`;
