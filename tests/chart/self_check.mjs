// self_check.mjs RENDERED...: breaks good manifests in one way after the other, and
// expects schemas and policy to say so, each in its own words.
import { podOf, readManifests, schemaErrors } from './manifests.mjs';
import { policyProblems } from './policy.mjs';

const good = process.argv.slice(2).flatMap(readManifests);

const find = (objects, kind, end) => objects.find((object) => object.kind === kind && object.metadata.name.endsWith(end));
const scorer = (objects) => find(objects, 'Deployment', '-scorer');
const pod = (objects) => podOf(scorer(objects));
const container = (objects) => pod(objects).containers[0];
const policy = (objects, end) => find(objects, 'NetworkPolicy', end);

const breaks = [
  ['no field of Deployment', (o) => { pod(o).terminationGraceSeconds = 5; }],
  ['no field of Deployment', (o) => { container(o).livenessProbe.httpGet.prot = 'http'; }],
  ['no field of CronJob', (o) => { find(o, 'CronJob', '-fetcher').spec.jobTemplate.spec.timezone = 'UTC'; }],
  ['must be', (o) => { pod(o).terminationGracePeriodSeconds = 'long'; }],
  ['required property', (o) => { delete find(o, 'CronJob', '-fetcher').spec.schedule; }],
  ['no schema of', (o) => { scorer(o).apiVersion = 'apps/v9'; }],
  ['service account token', (o) => { delete pod(o).automountServiceAccountToken; }],
  ["host's namespaces", (o) => { pod(o).hostNetwork = true; }],
  ["host's files", (o) => { pod(o).volumes = [{ name: 'x', hostPath: { path: '/' } }]; }],
  ['names from services', (o) => { delete pod(o).enableServiceLinks; }],
  ['may run as root', (o) => { pod(o).securityContext.runAsUser = 0; }],
  ['may run as root', (o) => { delete pod(o).securityContext.runAsNonRoot; }],
  ['seccomp', (o) => { delete pod(o).securityContext.seccompProfile; }],
  ['no volume x', (o) => { container(o).volumeMounts = [{ name: 'x', mountPath: '/x' }]; }],
  ['gain privileges', (o) => { container(o).securityContext.privileged = true; }],
  ['gain privileges', (o) => { delete container(o).securityContext.allowPrivilegeEscalation; }],
  ['keeps capabilities', (o) => { container(o).securityContext.capabilities.add = ['NET_ADMIN']; }],
  ['writes to its root', (o) => { container(o).securityContext.readOnlyRootFilesystem = false; }],
  ['runs as root', (o) => { container(o).securityContext.runAsUser = 0; }],
  ['no limit of memory', (o) => { delete container(o).resources.limits.memory; }],
  ['no request of cpu', (o) => { delete container(o).resources.requests; }],
  ['is not pinned', (o) => { container(o).image = 'registry:5000/paperboy'; }],
  ['is not pinned', (o) => { container(o).image = 'paperboy:latest'; }],
  ['no readinessProbe', (o) => { delete container(o).readinessProbe; }],
  ['ask the same', (o) => { container(o).readinessProbe = container(o).livenessProbe; }],
  ['no livenessProbe', (o) => { delete podOf(find(o, 'CronJob', '-fetcher')).containers[0].livenessProbe; }],
  ['no port', (o) => { container(o).ports = []; }],
  ['secret in plain sight', (o) => { container(o).env.push({ name: 'OPENAI_API_KEY', value: 'sk-1' }); }],
  ['password in plain sight', (o) => { container(o).env.push({ name: 'PAPERBOY_REDIS', value: 'redis://:pw@redis:6379/0' }); }],
  ['argument holds a password', (o) => { container(o).args.push('--redis=redis://:pw@redis:6379/0'); }],
  ["secrets are not the chart's", (o) => { o.push({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' }, stringData: { a: 'b' } }); }],
  ['does not exceed', (o) => { find(o, 'CronJob', '-fetcher').spec.jobTemplate.spec.activeDeadlineSeconds = 3600; }],
  ['not US Eastern', (o) => { find(o, 'CronJob', '-fetcher').spec.timeZone = 'UTC'; }],
  ['may overlap', (o) => { find(o, 'CronJob', '-fetcher').spec.concurrencyPolicy = 'Allow'; }],
  ['denied by default', (o) => { policy(o, '-default-deny').spec.podSelector.matchLabels.x = 'y'; }],
  ['may reach {} at 443', (o) => { policy(o, '-scorer').spec.egress.push({ ports: [{ port: 443 }] }); }],
  ['may reach', (o) => { policy(o, '-scorer').spec.egress.push({ to: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports: [{ port: 443 }] }); }],
  ['may reach {"podSelector"', (o) => { policy(o, '-redis').spec.egress = [{ to: [{ podSelector: { matchLabels: { 'app.kubernetes.io/component': 'fetcher' } } }] }]; }],
  ['ingress of everybody', (o) => { policy(o, '-scorer').spec.ingress = [{ from: null, ports: [{ port: 'http' }] }]; }],
  ['egress of everybody', (o) => { policy(o, '-dns').spec.egress[0].to = []; }],
  ['egress of everybody', (o) => { o.push({ apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: { name: 'x' }, spec: { egress: [{ toFQDNs: null, toPorts: [] }] } }); }],
  ['do not tell the release', (o) => { o.push({ apiVersion: 'monitoring.coreos.com/v1', kind: 'PodMonitor', metadata: { name: 'x' }, spec: { selector: {}, podMetricsEndpoints: [] } }); }],
  ['paperboy_scorers is of any release', (o) => { o.push({ apiVersion: 'monitoring.coreos.com/v1', kind: 'PrometheusRule', metadata: { name: 'x' }, spec: { groups: [{ name: 'x', rules: [{ alert: 'x', expr: 'paperboy_scorers > 0' }] }] } }); }],
  ['owns its replicas', (o) => { o.push({ apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', metadata: { name: 'x' }, spec: { scaleTargetRef: { name: scorer(o).metadata.name }, triggers: [] } }); }],
  ['no PodDisruptionBudget', (o) => { o.splice(o.indexOf(find(o, 'PodDisruptionBudget', '-scorer')), 1); }],
];

async function problemsOf(objects) {
  const problems = policyProblems(objects);
  for (const object of objects) problems.push(...(await schemaErrors(object)));
  return problems;
}

const before = await problemsOf(good);
for (const problem of before) console.log(`        ${problem}`);
let missed = before.length;
for (const [words, breakIt] of breaks) {
  const objects = structuredClone(good);
  breakIt(objects);
  const problems = await problemsOf(objects);
  if (problems.some((problem) => problem.includes(words))) continue;
  console.log(`        not found: "${words}" after ${breakIt}`);
  missed += 1;
}
console.log(`        ${breaks.length} ways to break them, ${missed} not found`);
process.exit(missed > 0 ? 1 : 0);
