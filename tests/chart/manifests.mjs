// Reading rendered manifests, and the published schemas of what they hold.
import { readFileSync } from 'node:fs';
import yaml from 'js-yaml';

// Where the class of a kind is: one package for Kubernetes, one for each API beside it.
const packages = {
  'keda.sh': '@kubernetes-models/keda',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
  'cilium.io': '@kubernetes-models/cilium',
};

export function readManifests(path) {
  return yaml.loadAll(readFileSync(path, 'utf8')).filter((object) => object);
}

export function nameOf(object) {
  return `${object.kind} ${object.metadata?.name}`;
}

// The spec of the pods that an object makes, if it makes any.
export function podOf(object) {
  switch (object.kind) {
    case 'Pod':
      return object.spec;
    case 'Deployment':
    case 'StatefulSet':
    case 'DaemonSet':
    case 'Job':
      return object.spec.template.spec;
    case 'CronJob':
      return object.spec.jobTemplate.spec.template.spec;
    default:
      return undefined;
  }
}

// Notes in `read` which fields of a value are looked at, by their paths.
function watched(value, path, read) {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      if (typeof key !== 'string' || !Object.hasOwn(target, key)) return Reflect.get(target, key);
      read.add(`${path}/${key}`);
      return watched(target[key], `${path}/${key}`, read);
    },
  });
}

function fieldsOf(value, path, fields = []) {
  if (typeof value !== 'object' || value === null) return fields;
  for (const [key, inner] of Object.entries(value)) {
    if (!Array.isArray(value)) fields.push(`${path}/${key}`);
    fieldsOf(inner, `${path}/${key}`, fields);
  }
  return fields;
}

// What the schema of its kind finds wrong with an object. The validators are generated
// from the published schemas and let unknown fields pass; but they look at each field
// that they know, and so a field that none looked at is unknown.
export async function schemaErrors(object) {
  const [group, version] = object.apiVersion.includes('/') ? object.apiVersion.split('/') : ['', object.apiVersion];
  const place = packages[group] ?? 'kubernetes-models';
  let Model;
  try {
    ({ [object.kind]: Model } = await import(`${place}/${group === '' ? '' : `${group}/`}${version}`));
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' && error.code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') throw error;
  }
  if (Model === undefined) return [`no schema of ${object.apiVersion} ${object.kind}`];
  const read = new Set();
  // Its constructor copies all fields, so that only then begins the watching.
  const model = new Model(object);
  for (const key of Object.keys(model)) model[key] = watched(model[key], `/${key}`, read);
  try {
    model.validate();
  } catch (error) {
    return [error.message];
  }
  const known = new Set([...Object.keys(object).map((key) => `/${key}`), ...read]);
  // A field below one that is unknown is not worth a line of its own.
  const unknown = fieldsOf(object, '').filter((field) => !known.has(field));
  return unknown
    .filter((field) => !unknown.some((other) => field.startsWith(`${other}/`)))
    .map((field) => `${field} is no field of ${object.kind}`);
}
