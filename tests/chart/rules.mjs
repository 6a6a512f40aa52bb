// rules.mjs RENDERED FILE: writes the rules of the manifests' PrometheusRule as Prometheus
// reads them, and prints how many there are.
import { writeFileSync } from 'node:fs';
import { readManifests } from './manifests.mjs';

const [rendered, file] = process.argv.slice(2);
const { spec } = readManifests(rendered).find(({ kind }) => kind === 'PrometheusRule');
writeFileSync(file, JSON.stringify(spec));
console.log(spec.groups.flatMap(({ rules }) => rules).length);
