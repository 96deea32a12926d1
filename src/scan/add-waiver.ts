import { Document, isSeq, parseDocument, YAMLSeq } from 'yaml';
import { WaybillError } from '../kernel/error.ts';
import { parseWaivers } from './parse-waivers.ts';
import { waiversPath, type Waivers } from './waivers.ts';

const header = ` What was found and is accepted, by whom, why, and until when. A waiver is a claim about a thing, not about a place.`;

export type NewSecretWaiver = Waivers['secrets'][number];

/**
 * The text of a file of waivers with one more for a credential; comments and order stay. A waiver about the same is replaced.
 * @param text undefined: there is no file yet. @param salt with which the fingerprint was made; written when the file has none
 * @throws WaybillError INVALID_INPUT for a file or an entry that is none, CONFLICT when the file has another salt
 */
export function addSecretWaiver(text: string | undefined, waiver: NewSecretWaiver, salt: string): string {
  if (text !== undefined && parseWaivers(text).salt !== undefined && parseWaivers(text).salt !== salt)
    throw new WaybillError('CONFLICT', `${waiversPath} has another salt than the one that the fingerprint was made with`);
  const document = text === undefined ? new Document({ version: 1 }) : parseDocument(text);
  if (text === undefined) document.commentBefore = header;
  if (!document.has('version')) document.set('version', 1);
  if (!document.has('salt')) document.set('salt', salt);
  let list = document.get('secrets');
  if (!isSeq(list)) {
    list = new YAMLSeq();
    document.set('secrets', list);
  }
  if (isSeq(list)) {
    list.flow = false;
    const known = list.items.findIndex((_, index) => {
      const at = (name: string) => document.getIn(['secrets', index, name]);
      return at('rule') === waiver.rule && at('fingerprint') === waiver.fingerprint;
    });
    const node = document.createNode(waiver);
    if (known < 0) list.add(node);
    else list.items[known] = node;
  }
  const made = document.toString({ lineWidth: 0 });
  parseWaivers(made);
  return made;
}
