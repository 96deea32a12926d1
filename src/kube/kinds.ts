import { isJsonObject, type JsonObject, type KubeObject, type KubeType, valueAt } from './object.ts';

/** Where the pod template of a kind is: the path to an object with `metadata` and `spec`. A Pod is its own template. */
const templatePaths: Readonly<Record<string, readonly string[]>> = {
  'v1/Pod': [],
  'v1/PodTemplate': ['template'],
  'v1/ReplicationController': ['spec', 'template'],
  'apps/Deployment': ['spec', 'template'],
  'apps/StatefulSet': ['spec', 'template'],
  'apps/DaemonSet': ['spec', 'template'],
  'apps/ReplicaSet': ['spec', 'template'],
  'batch/Job': ['spec', 'template'],
  'batch/CronJob': ['spec', 'jobTemplate', 'spec', 'template'],
};

/** Kinds of Kubernetes itself that belong to no namespace. Custom kinds are known only to the cluster. */
const clusterScoped: ReadonlySet<string> = new Set([
  'v1/Namespace',
  'v1/Node',
  'v1/PersistentVolume',
  'v1/ComponentStatus',
  'admissionregistration.k8s.io/MutatingWebhookConfiguration',
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration',
  'admissionregistration.k8s.io/ValidatingAdmissionPolicy',
  'admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding',
  'admissionregistration.k8s.io/MutatingAdmissionPolicy',
  'admissionregistration.k8s.io/MutatingAdmissionPolicyBinding',
  'apiextensions.k8s.io/CustomResourceDefinition',
  'apiregistration.k8s.io/APIService',
  'authentication.k8s.io/TokenReview',
  'authorization.k8s.io/SubjectAccessReview',
  'certificates.k8s.io/CertificateSigningRequest',
  'flowcontrol.apiserver.k8s.io/FlowSchema',
  'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration',
  'networking.k8s.io/IngressClass',
  'node.k8s.io/RuntimeClass',
  'policy/PodSecurityPolicy',
  'rbac.authorization.k8s.io/ClusterRole',
  'rbac.authorization.k8s.io/ClusterRoleBinding',
  'scheduling.k8s.io/PriorityClass',
  'storage.k8s.io/CSIDriver',
  'storage.k8s.io/CSINode',
  'storage.k8s.io/StorageClass',
  'storage.k8s.io/VolumeAttachment',
]);

/** Group (without version) and kind; the core group is written `v1`. */
function groupKind({ apiVersion, kind }: KubeType): string {
  const slash = apiVersion.indexOf('/');
  return `${slash < 0 ? apiVersion : apiVersion.slice(0, slash)}/${kind}`;
}

export function isClusterScoped(type: KubeType): boolean {
  return clusterScoped.has(groupKind(type));
}

/** Path from the object to its pod template; `[]` for a Pod, undefined for a kind that has none. */
export function podTemplatePath(type: KubeType): readonly string[] | undefined {
  const key = groupKind(type);
  return Object.hasOwn(templatePaths, key) ? templatePaths[key] : undefined;
}

/** The pod spec in an object, or undefined when the kind has none or the manifest leaves it out. */
export function podSpecOf(object: KubeObject): JsonObject | undefined {
  const path = podTemplatePath(object);
  if (path === undefined) return undefined;
  const spec = valueAt(object, ...path, 'spec');
  return isJsonObject(spec) ? spec : undefined;
}
