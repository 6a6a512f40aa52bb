// What a kubelet makes of rendered manifests: the containers with their commands,
// environment and files.
import { mkdirSync, writeFileSync } from 'node:fs';
import { podOf } from './manifests.mjs';

// The value of each secret that the manifests name: found again wherever it leaks.
export const plantedSecret = (name, key) => `planted-${name}-${key}`;

// $(NAME) in commands, arguments and values, as Kubernetes expands it.
const expanded = (text, env) => text.replace(/\$\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (all, name) => env[name] ?? all);

function environmentOf(container, secretOf) {
  const env = {};
  for (const { name, value, valueFrom } of container.env ?? []) {
    const reference = valueFrom?.secretKeyRef;
    env[name] = reference ? secretOf(reference.name, reference.key) : expanded(value, env);
  }
  return env;
}

// Writes a volume's files below `dir` and returns its folder. An empty folder is on every
// container that mounts it the same.
function materialised(volume, dir, objects, secretOf, keysOf) {
  const folder = `${dir}/${volume.name}`;
  mkdirSync(folder, { recursive: true });
  if (volume.configMap) {
    const map = objects.find((object) => object.kind === 'ConfigMap' && object.metadata.name === volume.configMap.name);
    if (map === undefined) throw new Error(`no ConfigMap ${volume.configMap.name}`);
    for (const [key, text] of Object.entries(map.data)) writeFileSync(`${folder}/${key}`, text);
  } else if (volume.secret) {
    const keys = volume.secret.items?.map(({ key }) => key) ?? keysOf();
    for (const key of keys) writeFileSync(`${folder}/${key}`, secretOf(volume.secret.secretName, key));
  }
  return folder;
}

// All containers of the manifests. `dir` takes the volumes' files; `secretOf` tells the
// secrets' values, if not the planted ones.
export function containersOf(objects, dir, secretOf = plantedSecret) {
  const containers = [];
  for (const object of objects) {
    const pod = podOf(object);
    if (!pod) continue;
    const volumes = [
      ...(pod.volumes ?? []),
      ...(object.spec.volumeClaimTemplates ?? []).map(({ metadata }) => ({ name: metadata.name })),
    ];
    for (const container of pod.containers) {
      const env = environmentOf(container, secretOf);
      const text = [...(container.command ?? []), ...(container.args ?? [])];
      // A mounted secret has the keys that its items name, or else the container's arguments.
      const mountOf = (volume) => container.volumeMounts?.find(({ name }) => name === volume.name);
      const mounts = volumes.filter(mountOf).map((volume) => {
        const { mountPath, readOnly = false } = mountOf(volume);
        const keysOf = () => text
          .filter((argument) => argument.includes(`${mountPath}/`))
          .map((argument) => argument.slice(argument.indexOf(`${mountPath}/`) + mountPath.length + 1));
        const folder = materialised(volume, `${dir}/${object.metadata.name}`, objects, secretOf, keysOf);
        return { path: mountPath, folder, readOnly };
      });
      containers.push({
        name: object.metadata.name,
        container: container.name,
        kind: object.kind,
        command: text.map((argument) => expanded(argument, env)),
        env,
        mounts,
        user: container.securityContext?.runAsUser ?? pod.securityContext.runAsUser,
        image: container.image,
        readiness: container.readinessProbe,
        liveness: container.livenessProbe,
        grace: pod.terminationGracePeriodSeconds ?? 30,
        activeDeadline: (object.spec.jobTemplate?.spec ?? object.spec).activeDeadlineSeconds,
        replicas: object.spec.replicas ?? 1,
      });
    }
  }
  return containers;
}
