import { WaybillError } from '../kernel/error.ts';

/** Where the API server finds the gate. */
export type WebhookClient =
  | { readonly url: string; readonly caBundle: string }
  | { readonly service: { readonly namespace: string; readonly name: string; readonly port?: number }; readonly caBundle: string };

export type WebhookOptions = {
  readonly client: WebhookClient;
  /** Exempt namespaces, the gate's own among them. They are exempt by name inside the gate; this only spares the call. */
  readonly exemptNamespaces: readonly string[];
  /** Version of the cluster, as its `/version` says it. */
  readonly cluster: { readonly major: number; readonly minor: number };
  readonly timeoutSeconds?: number;
  /** Resources (plural names) of custom workloads that the gate is to judge too. */
  readonly customResources?: readonly { readonly group: string; readonly resources: readonly string[] }[];
};

/** Everything that holds pods, and the door by which a container enters a running pod. */
export const judgedResources = [
  { group: '', resources: ['pods', 'pods/ephemeralcontainers', 'replicationcontrollers', 'podtemplates'] },
  { group: 'apps', resources: ['deployments', 'replicasets', 'statefulsets', 'daemonsets'] },
  { group: 'batch', resources: ['jobs', 'cronjobs'] },
] as const;

/** The rules of both the webhook and the compiled policy (`admissionregistration.k8s.io/v1` RuleWithOperations). */
export function judgedRules(custom: WebhookOptions['customResources'] = []): readonly object[] {
  return [...judgedResources, ...custom].map(({ group, resources }) => ({
    apiGroups: [group],
    apiVersions: ['*'],
    operations: ['CREATE', 'UPDATE'],
    resources: [...resources],
    scope: group === '' || group === 'apps' || group === 'batch' ? 'Namespaced' : '*',
  }));
}

/**
 * The `ValidatingWebhookConfiguration` (admissionregistration.k8s.io/v1) that sends the gate what it judges. It fails
 * closed. The only selector is on `kubernetes.io/metadata.name`, which the API server itself sets (Kubernetes 1.21 and
 * later) and nobody can change; a selector on any other label would be an exemption that an editor can give himself.
 * @throws WaybillError INVALID_INPUT when the URL is not one that the API server would take
 */
export function webhookConfiguration(options: WebhookOptions): object {
  const { client, exemptNamespaces, cluster } = options;
  const caBundle = Buffer.from(client.caBundle).toString('base64');
  const hasNameLabel = cluster.major > 1 || (cluster.major === 1 && cluster.minor >= 21);
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'waybill-admission', labels: { 'app.kubernetes.io/managed-by': 'waybill' } },
    webhooks: [
      {
        name: 'images.admission.waybill.dev',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Fail',
        matchPolicy: 'Equivalent',
        timeoutSeconds: options.timeoutSeconds ?? 10,
        clientConfig:
          'url' in client
            ? { url: requireUrl(client.url), caBundle }
            : {
                service: {
                  namespace: client.service.namespace,
                  name: client.service.name,
                  path: '/admit',
                  port: client.service.port ?? 443,
                },
                caBundle,
              },
        rules: judgedRules(options.customResources),
        ...(hasNameLabel && exemptNamespaces.length > 0
          ? {
              namespaceSelector: {
                matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: [...exemptNamespaces] }],
              },
            }
          : {}),
      },
    ],
  };
}

/** The API server takes only https, without user, query or fragment. */
function requireUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || url.protocol !== 'https:' || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new WaybillError('INVALID_INPUT', 'the URL of the webhook must be https://HOST:PORT/admit, without user, query or fragment');
  }
  return url.href;
}
