/**
 * What a terminal would obey (colours, the title of the window, the cursor), and what shows as nothing or turns a line around
 * (control characters, Unicode's bidirectional overrides). The log's script in the browser uses the same two expressions.
 */
export const terminalSequences = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[@-Z\\^_]/g;
export const deceivers = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Text of other people's making as it may stand on a page: sequences are gone, what would deceive is a visible sign. */
export function plain(text: string): string {
  return text.replace(terminalSequences, '').replace(deceivers, '\uFFFD');
}
