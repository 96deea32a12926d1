import { maxLines } from './log.ts';
import { deceivers, terminalSequences } from './plain.ts';

/**
 * The script of the pages that move: follows the log line by line, and asks now and then for the page itself to replace the parts
 * marked `data-live`. Text becomes text nodes only. Without it the pages show what was true when they were sent.
 */
export const liveScript = `
'use strict';
const sequences = new RegExp(${JSON.stringify(terminalSequences.source)}, 'g');
const deceivers = new RegExp(${JSON.stringify(deceivers.source)}, 'g');
const streams = { stderr: ['e', '!', 'standard error: '], waybill: ['w', '›', 'Waybill: '] };
let source;

const element = (name, className, text) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
};

const show = (box, { at, stream, text }) => {
  const [letter, sign, said] = streams[stream] ?? ['o', ' ', ''];
  const line = element('div', 'l ' + letter);
  const time = element('time', '', String(at).slice(11, 23));
  time.dateTime = at;
  const mark = element('i', '', sign);
  mark.ariaHidden = 'true';
  line.append(time, mark, ...(said ? [element('b', 'unseen', said)] : []));
  line.append(element('span', '', String(text).replace(sequences, '').replace(deceivers, '\\uFFFD')));
  box.append(line);
  while (box.childElementCount > ${maxLines}) box.firstElementChild.remove();
};

const atEnd = (box) => box.scrollTop + box.clientHeight > box.scrollHeight - 40;

function follow() {
  source?.close();
  const box = document.getElementById('log');
  if (!box || !('follow' in box.dataset)) return;
  box.scrollTop = box.scrollHeight;
  let shown = Number(box.dataset.total);
  let seen = 0;
  const path = '/api/v1/runs/' + box.dataset.run + '/log?follow=1&name=' + encodeURIComponent(box.dataset.name);
  source = new EventSource(path);
  // Every connection begins with the first line again.
  source.onopen = () => { seen = 0; };
  source.onmessage = (event) => {
    seen += 1;
    if (seen <= shown) return;
    shown = seen;
    const bottom = atEnd(box);
    show(box, JSON.parse(event.data));
    if (bottom) box.scrollTop = box.scrollHeight;
  };
  source.addEventListener('end', () => { source.close(); });
}

async function refresh() {
  const reply = await fetch(location.href, { headers: { accept: 'text/html' } });
  if (!reply.ok) return;
  // Its style and script carry the nonce of another answer: this page's policy would refuse them aloud.
  const text = (await reply.text()).replace(/<(style|script)[^]*?<\\/\\1>/g, '');
  const fresh = new DOMParser().parseFromString(text, 'text/html');
  const focused = document.activeElement?.getAttribute('href');
  for (const old of document.querySelectorAll('[data-live]')) {
    const next = fresh.getElementById(old.id);
    if (!next || next.outerHTML === old.outerHTML) continue;
    const hadFocus = focused && old.contains(document.activeElement);
    old.replaceWith(document.importNode(next, true));
    if (hadFocus) document.getElementById(old.id).querySelector('a[href="' + CSS.escape(focused) + '"]')?.focus({ preventScroll: true });
  }
  if (document.title !== fresh.title) {
    document.title = fresh.title;
    const said = document.getElementById('said');
    if (said) said.textContent = fresh.title;
  }
  const [box, next] = [document.getElementById('log-section'), fresh.getElementById('log-section')];
  const name = (part) => part?.querySelector('#log')?.dataset.name;
  // Nobody chose this log: the page goes with the run to the next one.
  if (box?.querySelector('#log[data-auto]') && name(next) && name(box) !== name(next)) {
    box.replaceWith(document.importNode(next, true));
    follow();
  }
}

async function keepFresh() {
  // The part that says how often goes when nothing can change any more.
  for (let part; (part = document.querySelector('[data-open]'));) {
    await new Promise((resolve) => setTimeout(resolve, Number(part.dataset.open)));
    if (document.hidden) continue;
    try {
      await refresh();
    } catch {
      // The server is away for a moment; the next round asks again.
    }
  }
}

follow();
keepFresh();
`;
