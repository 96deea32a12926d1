import type { EvidencePolicy, PolicySet } from '../policy/evidence-policy.ts';
import { judgedRules } from './webhook-configuration.ts';

/**
 * The registry-and-digest rule as the API server's own policies (admissionregistration.k8s.io/v1, Kubernetes 1.30 and
 * later), so that it holds in process also when the webhook is gone. Papers cannot be asked for there.
 * One policy with one binding for the default, and one for each namespace that has a policy of its own.
 */
export function validatingAdmissionPolicies(policies: PolicySet): readonly object[] {
  const own = Object.keys(policies.namespaces).sort();
  const others = [...policies.exemptNamespaces, ...own];
  return [
    ...pair('waybill-images', policies.default, `!(request.namespace in ${celList(others)})`),
    ...own.flatMap((namespace) => {
      const policy = Object.hasOwn(policies.namespaces, namespace) ? policies.namespaces[namespace] : undefined;
      return policy ? pair(`waybill-images.${namespace}`, policy, `request.namespace == ${celText(namespace)}`) : [];
    }),
  ];
}

const podSpec = [
  "object.kind == 'Pod' ? object.spec",
  "object.kind == 'CronJob' ? object.spec.jobTemplate.spec.template.spec",
  "object.kind == 'PodTemplate' ? object.template.spec",
  'object.spec.template.spec',
].join(' : ');

/** Texts of all images in a PodSpec; an image that is not named counts as the empty text, which no rule allows. */
function imagesIn(spec: string): string {
  const lists = ['containers', 'initContainers', 'ephemeralContainers'].map(
    (list) => `(has(${spec}.${list}) ? ${spec}.${list}.map(c, has(c.image) ? c.image : '') : [])`,
  );
  const volumes = `(has(${spec}.volumes) ? ${spec}.volumes.filter(v, has(v.image)).map(v, has(v.image.reference) ? v.image.reference : '') : [])`;
  return [...lists, volumes].join(' + ');
}

function pair(name: string, policy: EvidencePolicy, namespaces: string): readonly object[] {
  const places = [...policy.registry, ...(policy.copies ?? []).map((copy) => copy.registry)];
  const allowed = celText(imagePattern(places));
  const labels = { 'app.kubernetes.io/managed-by': 'waybill' };
  return [
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name, labels },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: { matchPolicy: 'Equivalent', resourceRules: judgedRules() },
        matchConditions: [{ name: 'namespaces', expression: namespaces }],
        variables: [
          { name: 'podSpec', expression: podSpec },
          { name: 'oldPodSpec', expression: podSpec.replaceAll('object.', 'oldObject.') },
          { name: 'images', expression: imagesIn('variables.podSpec') },
          { name: 'oldImages', expression: imagesIn('variables.oldPodSpec') },
          { name: 'bad', expression: `variables.images.filter(i, !i.matches(${allowed}))` },
        ],
        validations: [
          {
            expression: "size(variables.bad) == 0 || (request.operation == 'UPDATE' && variables.images == variables.oldImages)",
            messageExpression: `'Waybill denies it: each image must come from ${celInner(places.join(', '))} and be named by its digest (REGISTRY/REPOSITORY@sha256:DIGEST); these do not: ' + variables.bad.join(', ')`,
            reason: 'Forbidden',
          },
        ],
      },
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name, labels },
      spec: { policyName: name, validationActions: actionsOf(policy) },
    },
  ];
}

/** An RE2 expression over the whole text: one of the registries, a repository, perhaps a tag, and a digest. */
export function imagePattern(registries: readonly string[]): string {
  const segment = '[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*';
  const places = registries.map((entry) => {
    const escaped = entry.replace(/[.]/g, '[.]');
    return entry.includes('/') ? `${escaped}(?:/${segment})*` : `${escaped}/${segment}(?:/${segment})*`;
  });
  return `^(?:${places.join('|')})(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?@sha256:[0-9a-f]{64}$`;
}

/** Both rules in one expression: the milder of their two modes, so that it never denies what the gate would admit. */
function actionsOf(policy: EvidencePolicy): readonly string[] {
  const modes = new Set([policy.rules?.registry ?? policy.mode, policy.rules?.digest ?? policy.mode]);
  if (modes.has('audit')) return ['Audit'];
  return modes.has('warn') ? ['Warn', 'Audit'] : ['Deny'];
}

function celList(texts: readonly string[]): string {
  return `[${texts.map(celText).join(', ')}]`;
}

function celText(text: string): string {
  return `'${celInner(text)}'`;
}

/** Between single quotes of CEL. Names, registries and patterns hold neither quotes nor backslashes; this keeps it so. */
function celInner(text: string): string {
  return text.replace(/[\\']/g, (character) => `\\${character}`);
}
