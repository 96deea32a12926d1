import { KubeConfig } from '@kubernetes/client-node';
import { readFile, stat } from 'node:fs/promises';
import { resolve, dirname } from 'node:path';
import { parse } from 'yaml';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import { isJsonObject, objectsAt, textAt, valueAt } from './object.ts';

const maxBytes = 1024 * 1024;

/**
 * Reads a kubeconfig. One that came as a sealed value may name neither files nor programs of this host: whoever may define
 * an environment would otherwise run programs as Waybill. Switched-off TLS verification is refused everywhere.
 * @throws WaybillError INVALID_INPUT
 */
export async function loadKubeconfig(source: Secret | string, context?: string): Promise<KubeConfig> {
  const text = source instanceof Secret ? source.reveal() : await readKubeconfig(source);
  if (text.length > maxBytes) throw new WaybillError('LIMIT_EXCEEDED', 'the kubeconfig is larger than 1 MiB');
  const config = new KubeConfig();
  try {
    const content: unknown = parse(text, { maxAliasCount: 0 });
    if (!isJsonObject(content)) throw new WaybillError('INVALID_INPUT', 'the kubeconfig is not a YAML map');
    checkContent(content, source instanceof Secret);
    config.loadFromString(text);
    if (!(source instanceof Secret)) config.makePathsAbsolute(dirname(resolve(source)));
  } catch (cause) {
    if (cause instanceof WaybillError) throw cause;
    // The parser's message may quote the file, which holds keys: only its kind is told.
    throw new WaybillError('INVALID_INPUT', 'the kubeconfig cannot be read: it is not valid YAML of the expected form');
  }
  if (context !== undefined) {
    if (config.getContextObject(context) === null)
      throw new WaybillError('INVALID_INPUT', `the kubeconfig has no context ${JSON.stringify(context.slice(0, 100))}`);
    config.setCurrentContext(context);
  }
  if (config.getCurrentCluster() === null)
    throw new WaybillError('INVALID_INPUT', 'the kubeconfig names no current cluster', {
      fix: 'Set current-context in it, or name a context.',
    });
  return config;
}

async function readKubeconfig(file: string): Promise<string> {
  try {
    if ((await stat(file)).size > maxBytes) throw new WaybillError('LIMIT_EXCEEDED', `${file} is larger than 1 MiB`);
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof WaybillError) throw cause;
    throw new WaybillError('INVALID_INPUT', `the kubeconfig ${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

function checkContent(content: unknown, sealed: boolean): void {
  for (const entry of objectsAt(content, 'clusters')) {
    if (valueAt(entry, 'cluster', 'insecure-skip-tls-verify') === true)
      throw new WaybillError('INVALID_INPUT', 'the kubeconfig switches TLS verification off (insecure-skip-tls-verify)', {
        fix: 'Put the authority of the cluster into certificate-authority-data instead.',
      });
    if (!(textAt(entry, 'cluster', 'server') ?? '').startsWith('https://'))
      throw new WaybillError('INVALID_INPUT', 'the kubeconfig names a server that is not https');
    if (sealed && valueAt(entry, 'cluster', 'certificate-authority') !== undefined)
      throw notInline('clusters[].cluster.certificate-authority');
  }
  if (!sealed) return;
  for (const entry of objectsAt(content, 'users')) {
    for (const field of ['exec', 'auth-provider', 'client-certificate', 'client-key', 'tokenFile'])
      if (valueAt(entry, 'user', field) !== undefined) throw notInline(`users[].user.${field}`);
  }
}

function notInline(field: string): WaybillError {
  return new WaybillError('INVALID_INPUT', `the kubeconfig refers to a file or program of another machine (${field})`, {
    fix: 'Make one that holds everything: `kubectl config view --raw --flatten --minify`, with a token or a client certificate.',
  });
}
