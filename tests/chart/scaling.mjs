// scaling.mjs RENDERED: what the rendered manifests say of how scorers are scaled, as
// paperboy-scaling-simulation reads it.
import { readManifests } from './manifests.mjs';

const objects = readManifests(process.argv[2]);
const { spec } = objects.find(({ kind }) => kind === 'ScaledObject');
const scorer = objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === spec.scaleTargetRef.name);
const pod = scorer.spec.template.spec;
const { scaleUp, scaleDown } = spec.advanced.horizontalPodAutoscalerConfig.behavior;
const { pollingInterval, cooldownPeriod, minReplicaCount, maxReplicaCount } = spec;
console.log(JSON.stringify({
  pollingInterval, cooldownPeriod, minReplicaCount, maxReplicaCount,
  scaleUpWindow: scaleUp.stabilizationWindowSeconds,
  scaleDownWindow: scaleDown.stabilizationWindowSeconds,
  grace: pod.terminationGracePeriodSeconds,
  args: pod.containers[0].args,
}));
