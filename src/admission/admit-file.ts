import { LineCounter, parseAllDocuments, isAlias, isMap, isSeq, type Document } from 'yaml';
import { messageOf } from '../kernel/error.ts';
import { policyFor, type PolicySet } from '../policy/evidence-policy.ts';
import { renderVerdict } from '../policy/render.ts';
import type { Reason, Verdict } from '../policy/verdict.ts';
import { imagesOf, kindOf, type CustomWorkload } from './images.ts';
import { get, getText } from './json.ts';
import { digestsOf, judgeObject, type KnowledgeSource } from './judge-object.ts';
import { describeSubject } from './subject.ts';

export type AdmitFileContext = {
  readonly policies: PolicySet;
  readonly source: KnowledgeSource;
  readonly now: Date;
  /** Where objects go that name no namespace. */
  readonly namespace: string;
  readonly customWorkloads?: readonly CustomWorkload[];
  readonly signal?: AbortSignal;
};

/** A verdict over one document of a file. */
export type DocumentVerdict = {
  /** `deploy/shop.yaml:12`, where the document begins. */
  readonly place: string;
  readonly subject: string;
  readonly namespace: string;
  readonly verdict: Verdict;
  /** The same reasons, each with its `file:line`. */
  readonly findings: readonly { readonly place: string; readonly reason: Reason }[];
  /** The verdict as one paragraph. */
  readonly text: string;
};

const maxCharacters = 8 * 1024 * 1024;

/**
 * Judges every document of a YAML or JSON text as the gate would at CREATE. What cannot be read is denied.
 * @param name how messages name the file
 */
export async function admitFile(content: string, name: string, context: AdmitFileContext): Promise<readonly DocumentVerdict[]> {
  if (content.length > maxCharacters) return [unreadable(`${name}:1`, `The file has more than ${maxCharacters} characters.`, context)];
  const lines = new LineCounter();
  let documents: readonly Document[];
  try {
    documents = [...parseAllDocuments(content, { lineCounter: lines, merge: true, uniqueKeys: true, logLevel: 'silent' })];
  } catch (error) {
    return [unreadable(`${name}:1`, `This is not YAML: ${messageOf(error)}`, context)];
  }
  const verdicts: DocumentVerdict[] = [];
  for (const document of documents) {
    verdicts.push(...(await admitDocument(document, name, lines, context)));
  }
  return verdicts;
}

async function admitDocument(
  document: Document,
  name: string,
  lines: LineCounter,
  context: AdmitFileContext,
): Promise<readonly DocumentVerdict[]> {
  const placeOf = (at: string | undefined): string => {
    const offset = offsetOf(document, at);
    return `${name}:${offset === undefined ? 1 : lines.linePos(offset).line}`;
  };
  const [error] = document.errors;
  if (error) return [unreadable(`${name}:${lines.linePos(error.pos[0]).line}`, firstLine(error.message), context)];
  let object: unknown;
  try {
    object = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return [unreadable(placeOf(undefined), firstLine(messageOf(error)), context)];
  }
  if (object === null || object === undefined) return [];
  const verdicts: DocumentVerdict[] = [];
  for (const { at, item } of itemsOf(object, '', 0)) {
    const kind = kindOf(item);
    if (!kind) {
      verdicts.push(unreadable(placeOf(at), 'This has no apiVersion and kind.', context));
      continue;
    }
    const namespace = getText(get(item, 'metadata'), 'namespace') ?? context.namespace;
    const subject = describeSubject(item, kind.kind, namespace, undefined);
    const verdict = await judge(item, kind, namespace, context);
    const findings = verdict.reasons.map((reason) => ({ place: placeOf(`${at}.${reason.at ?? ''}`), reason }));
    const place = placeOf(at);
    verdicts.push({ place, subject, namespace, verdict, findings, text: renderVerdict(verdict, `${subject} (${place})`) });
  }
  return verdicts;
}

/** The objects of a `List`, which are created one by one, each in its own namespace; anything else is itself. */
function itemsOf(object: unknown, at: string, depth: number): readonly { readonly at: string; readonly item: unknown }[] {
  const items = get(object, 'items');
  if (getText(object, 'kind') !== 'List' || !Array.isArray(items) || depth > 4) return [{ at, item: object }];
  return items.flatMap((item: unknown, index) => itemsOf(item, `${at}.items[${index}]`, depth + 1));
}

async function judge(
  object: unknown,
  kind: { group: string; kind: string },
  namespace: string,
  context: AdmitFileContext,
): Promise<Verdict> {
  const policy = policyFor(context.policies, namespace);
  if (policy === 'exempt') return { decision: 'allow', reasons: [] };
  const images = imagesOf(object, kind, context.customWorkloads ?? []);
  const knowledge = await context.source.knowledge(digestsOf(images.uses), context.signal);
  return judgeObject(images, policy, knowledge, context.now);
}

/** Where the last existing part of a path like `spec.containers[0].image (container "web")` stands. */
function offsetOf(document: Document, at: string | undefined): number | undefined {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0];
  for (const [, key, index] of (at?.split(' (', 1)[0] ?? '').matchAll(/([^.[\]]+)|\[([0-9]+)\]/g)) {
    if (isAlias(node)) node = node.resolve(document);
    const next: unknown =
      isSeq(node) && index !== undefined ? node.items[Number(index)] : isMap(node) && key !== undefined ? node.get(key, true) : undefined;
    if (typeof next !== 'object' || next === null) break;
    node = next;
    if ('range' in next && Array.isArray(next.range) && typeof next.range[0] === 'number') offset = next.range[0];
  }
  return offset;
}

function unreadable(place: string, message: string, context: AdmitFileContext): DocumentVerdict {
  const reason = { rule: 'object', message, fix: 'Write the document as Kubernetes defines it.' };
  const verdict: Verdict = { decision: 'deny', reasons: [reason] };
  return {
    place,
    subject: 'the document',
    namespace: context.namespace,
    verdict,
    findings: [{ place, reason }],
    text: renderVerdict(verdict, `the document (${place})`),
  };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text;
}
