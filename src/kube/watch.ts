import { createInterface } from 'node:readline';
import { WaybillError } from '../kernel/error.ts';
import { failureOf } from './failure.ts';
import { isKubeObject, numberAt, textAt, valueAt, type KubeObject } from './object.ts';
import type { Transport } from './transport.ts';

export type WatchEvent = { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KubeObject };

const maxLine = 16 * 1024 * 1024;

/** Events until the API server closes the stream or the signal aborts. CONFLICT means: list again, the version is too old. */
export async function* watchEvents(transport: Transport, path: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
  const response = await transport.open({ method: 'GET', path, signal });
  try {
    if (response.statusCode !== 200) {
      let text = '';
      for await (const chunk of response as AsyncIterable<Buffer>) if (text.length < 65536) text += chunk.toString('utf8');
      throw failureOf(response.statusCode ?? 0, text);
    }
    for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
      if (line.length > maxLine) throw new WaybillError('LIMIT_EXCEEDED', 'an event of the API server is larger than 16 MiB');
      const event: unknown = JSON.parse(line);
      const type = textAt(event, 'type');
      const object = valueAt(event, 'object');
      if (type === 'ERROR') throw failureOf(numberAt(object, 'code') ?? 500, JSON.stringify(object));
      if ((type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') && isKubeObject(object)) yield { type, object };
    }
    signal.throwIfAborted();
  } finally {
    response.destroy();
  }
}
