// What every rendered object has to keep to. Each rule is told what it found wrong in
// words; self_check.mjs breaks each of them.
import { nameOf, podOf } from './manifests.mjs';

const longRunning = ['Deployment', 'StatefulSet', 'DaemonSet'];
const secretName = /(KEY|PASSWORD|TOKEN|SECRET|AUTH)$/;
const credentialsInUrl = /:\/\/[^/\s]*:(?!\$\()[^@/\s]+@/;

function containersOf(pod) {
  return [...(pod.initContainers ?? []), ...pod.containers];
}

function* podProblems(object, pod) {
  if (pod.automountServiceAccountToken !== false) yield 'mounts a service account token';
  if (pod.hostNetwork || pod.hostPID || pod.hostIPC) yield "shares the host's namespaces";
  if ((pod.volumes ?? []).some((volume) => volume.hostPath)) yield "mounts the host's files";
  if (pod.enableServiceLinks !== false) yield 'takes PAPERBOY_... names from services';
  const context = pod.securityContext ?? {};
  if (context.runAsNonRoot !== true || !(context.runAsUser > 0)) yield 'may run as root';
  if (context.seccompProfile?.type !== 'RuntimeDefault') yield 'has no seccomp profile';
  const mounted = new Set((pod.volumes ?? []).map((volume) => volume.name));
  for (const claim of object.spec.volumeClaimTemplates ?? []) mounted.add(claim.metadata.name);
  for (const container of containersOf(pod)) {
    for (const { name } of container.volumeMounts ?? []) if (!mounted.has(name)) yield `${container.name}: no volume ${name}`;
  }
}

function* containerProblems(object, container) {
  const context = container.securityContext ?? {};
  if (context.privileged || context.allowPrivilegeEscalation !== false) yield 'may gain privileges';
  if (!(context.capabilities?.drop ?? []).includes('ALL') || context.capabilities?.add) yield 'keeps capabilities';
  if (context.readOnlyRootFilesystem !== true) yield 'writes to its root';
  if (context.runAsUser === 0 || context.runAsNonRoot === false) yield 'runs as root';
  for (const of of ['cpu', 'memory']) {
    if (!container.resources?.limits?.[of]) yield `no limit of ${of}`;
    if (!container.resources?.requests?.[of]) yield `no request of ${of}`;
  }
  const image = container.image ?? '';
  if (!/(:[^:/]+|@sha256:[0-9a-f]{64})$/.test(image) || /:latest$/.test(image)) yield `image ${image} is not pinned`;
  if (longRunning.includes(object.kind)) {
    for (const probe of ['livenessProbe', 'readinessProbe']) if (!container[probe]) yield `no ${probe}`;
    const [alive, ready] = [container.livenessProbe, container.readinessProbe].map((probe) =>
      JSON.stringify(probe?.httpGet ?? probe?.exec));
    if (alive === ready) yield 'liveness and readiness ask the same';
  }
  if (['CronJob', 'Job'].includes(object.kind) && !container.livenessProbe) yield 'no livenessProbe';
  const ports = (container.ports ?? []).map((port) => port.name);
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
    const port = container[probe]?.httpGet?.port;
    if (port !== undefined && !ports.includes(port)) yield `${probe}: no port ${port}`;
  }
  for (const { name, value } of container.env ?? []) {
    if (value === undefined) continue;
    if (secretName.test(name) && !/^\$\([A-Z_]+\)$/.test(value)) yield `${name} is a secret in plain sight`;
    if (credentialsInUrl.test(value)) yield `${name} holds a password in plain sight`;
  }
  for (const argument of [...(container.command ?? []), ...(container.args ?? [])]) {
    if (credentialsInUrl.test(argument)) yield 'an argument holds a password';
  }
}

function* jobProblems(object) {
  const job = object.kind === 'CronJob' ? object.spec.jobTemplate.spec : object.spec;
  const deadline = podOf(object).containers[0].args?.find((argument) => argument.startsWith('--deadline='));
  const hours = Number(/^--deadline=(\d+)h$/.exec(deadline ?? '')?.[1]);
  if (!(job.activeDeadlineSeconds > hours * 3600)) yield "activeDeadlineSeconds does not exceed the fetcher's --deadline";
  if (object.kind !== 'CronJob') return;
  if (object.spec.timeZone !== 'America/New_York') yield 'the time zone is not US Eastern';
  if (object.spec.concurrencyPolicy !== 'Forbid') yield 'runs may overlap';
  if (!object.spec.startingDeadlineSeconds) yield 'no startingDeadlineSeconds';
}

const matches = (selector, labels) =>
  Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value);

function labelsOf(object) {
  const template = object.kind === 'CronJob' ? object.spec.jobTemplate.spec.template : object.spec.template;
  return (object.kind === 'Pod' ? object : template).metadata.labels;
}

const described = (peer, rule) => `${JSON.stringify(peer)} at ${(rule.ports ?? []).map(({ port }) => port).join()}`;

// What a pod may connect to beside DNS, by the policies that select it.
function* reach(policies, labels) {
  for (const policy of policies) {
    if (!matches(policy.spec.podSelector, labels)) continue;
    for (const rule of policy.spec.egress ?? []) {
      const ports = (rule.ports ?? []).map(({ port }) => port);
      if (ports.length > 0 && ports.every((port) => port === 53)) continue;
      for (const peer of rule.to ?? [{}]) {
        yield {
          component: peer.podSelector?.matchLabels?.['app.kubernetes.io/component'],
          except: ports.join() === '443' ? peer.ipBlock?.except : undefined,
          text: described(peer, rule),
        };
      }
    }
  }
}

// A rule whose list of peers is missing or empty is one for everybody.
function* peerProblems(object, opened) {
  const lists = { NetworkPolicy: ['from', 'to'], CiliumNetworkPolicy: ['fromEndpoints', 'toEndpoints', 'toFQDNs'] }[object.kind];
  if (!lists) return;
  for (const [way, prefix] of [['ingress', 'from'], ['egress', 'to']]) {
    for (const rule of object.spec[way] ?? []) {
      const peers = lists.filter((name) => name.startsWith(prefix)).flatMap((name) => rule[name] ?? []);
      if (peers.length === 0 && !opened.includes(described({}, rule))) yield `${way} of everybody: ${JSON.stringify(rule)}`;
    }
  }
}

const mayReach = {
  scorer: ['aggregator', 'redis'],
  fetcher: ['aggregator', 'redis'],
  aggregator: ['redis'],
  redis: [],
  test: ['aggregator'],
};
const clusterRanges = [['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'], ['fc00::/7']];

function* networkProblems(objects, opened) {
  const policies = objects.filter((object) => object.kind === 'NetworkPolicy');
  const denies = policies.filter(({ spec }) => !spec.ingress && !spec.egress && spec.policyTypes.length === 2);
  for (const object of objects) {
    if (!podOf(object)) continue;
    const labels = labelsOf(object);
    if (!denies.some((policy) => matches(policy.spec.podSelector, labels))) yield `${nameOf(object)}: nothing is denied by default`;
    const component = labels['app.kubernetes.io/component'];
    for (const peer of reach(policies, labels)) {
      if (mayReach[component]?.includes(peer.component) || opened.includes(peer.text)) continue;
      const outside = clusterRanges.some((ranges) => ranges.every((range) => peer.except?.includes(range)));
      if (!outside || !['scorer', 'fetcher'].includes(component)) yield `${nameOf(object)}: may reach ${peer.text}`;
    }
  }
}

// What the values open on purpose.
function openedBy(values) {
  const { scorerEgress = [], fetcherEgress = [], externalRedisCIDR = '0.0.0.0/0' } = values.networkPolicy ?? {};
  const opened = [...scorerEgress, ...fetcherEgress].flatMap((rule) => (rule.to ?? [{}]).map((peer) => described(peer, rule)));
  if (values.externalRedis) {
    const port = values.externalRedis.port ?? Number(/:(\d+)(\/\d+)?$/.exec(values.externalRedis.url)?.[1] ?? 6379);
    opened.push(described({ ipBlock: { cidr: externalRedisCIDR } }, { ports: [{ port }] }));
  }
  return opened;
}

function* scalingProblems(objects) {
  const owned = objects
    .filter((object) => ['HorizontalPodAutoscaler', 'ScaledObject'].includes(object.kind))
    .map((object) => object.spec.scaleTargetRef.name);
  for (const object of objects) {
    if (!longRunning.includes(object.kind)) continue;
    if (owned.includes(object.metadata.name) && object.spec.replicas !== undefined) yield `${nameOf(object)}: the autoscaler owns its replicas`;
    const budget = objects.some((other) => other.kind === 'PodDisruptionBudget' && matches(other.spec.selector, labelsOf(object)));
    if (!budget) yield `${nameOf(object)}: no PodDisruptionBudget`;
  }
}

// Two releases in one namespace have alerts of their own.
function* monitoringProblems({ kind, spec }) {
  const given = { ServiceMonitor: spec?.targetLabels, PodMonitor: spec?.podTargetLabels };
  if (kind in given && !given[kind]?.includes('app.kubernetes.io/instance')) yield 'metrics do not tell the release';
  if (kind !== 'PrometheusRule') return;
  for (const { alert, expr } of spec.groups.flatMap(({ rules }) => rules)) {
    for (const [metric, selector] of expr.matchAll(/\bpaperboy_\w+(\{[^}]*\})?/g)) {
      if (!selector?.includes('app_kubernetes_io_instance=')) yield `${alert}: ${metric} is of any release`;
    }
  }
}

// `values`: those that the objects were rendered with.
export function policyProblems(objects, values = {}) {
  const problems = [];
  const opened = openedBy(values);
  for (const object of objects) {
    const add = (text) => problems.push(`${nameOf(object)}: ${text}`);
    if (object.kind === 'Secret') add('secrets are not the chart\'s');
    for (const problem of [...peerProblems(object, opened), ...monitoringProblems(object)]) add(problem);
    const pod = podOf(object);
    if (!pod) continue;
    for (const problem of podProblems(object, pod)) add(problem);
    for (const container of containersOf(pod)) {
      for (const problem of containerProblems(object, container)) add(`${container.name}: ${problem}`);
    }
    if (['CronJob', 'Job'].includes(object.kind)) for (const problem of jobProblems(object)) add(problem);
  }
  problems.push(...networkProblems(objects, opened), ...scalingProblems(objects));
  return problems;
}
