// Started by git in a repository as its only hook, by the two lines of sh that repository-folder.ts writes there. Decides nothing:
// it joins git's pipes to the server's socket and exits as the server says. Plain JavaScript without imports of ours, as it runs
// from node_modules too, where Node strips no types. Whatever goes wrong, the exit code is 1 and git accepts nothing.
//
// To the server: one line of JSON { hook, push }, then standard input as it is.
// From the server: frames of one letter (o standard output, e standard error, x exit code), a length (uint32, big endian), data.
import { connect } from 'node:net';

const maxFrame = 1024 * 1024;
const refuse = (message) => {
  process.stderr.write(`Nothing was accepted: ${message}\n`, () => process.exit(1));
};

const socket = connect(process.env.WAYBILL_HOOK_SOCKET ?? '');
let rest = Buffer.alloc(0);
let finished = false;

socket.on('connect', () => {
  socket.write(`${JSON.stringify({ hook: process.argv[2], push: process.env.WAYBILL_PUSH ?? '' })}\n`);
  process.stdin.pipe(socket);
});
socket.on('data', (chunk) => {
  rest = Buffer.concat([rest, chunk]);
  while (!finished && rest.length >= 5) {
    const length = rest.readUInt32BE(1);
    if (length > maxFrame) {
      finished = true;
      socket.destroy();
      refuse('the server answers in a language that this hook does not know');
      return;
    }
    if (rest.length < 5 + length) return;
    const data = rest.subarray(5, 5 + length);
    const letter = String.fromCharCode(rest[0]);
    rest = rest.subarray(5 + length);
    if (letter === 'o') process.stdout.write(data);
    else if (letter === 'e') process.stderr.write(data);
    else {
      finished = true;
      const code = letter === 'x' && data.toString('latin1') === '0' ? 0 : 1;
      // An empty write calls back when everything before it is out.
      process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
    }
  }
});
socket.on('error', () => {
  if (!finished) refuse('Waybill does not answer. Try again when the server runs.');
  finished = true;
});
socket.on('close', () => {
  if (!finished) refuse('Waybill ended the conversation. Try again.');
  finished = true;
});
