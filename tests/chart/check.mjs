// check.mjs VALUES RENDERED: prints what is wrong with the rendered manifests, by the
// published schemas and by the policy; exits with 1 if anything is.
import { readFileSync } from 'node:fs';
import yaml from 'js-yaml';
import { nameOf, readManifests, schemaErrors } from './manifests.mjs';
import { policyProblems } from './policy.mjs';

const [valuesPath, renderedPath] = process.argv.slice(2);
const objects = readManifests(renderedPath);
const problems = [];
for (const object of objects) {
  for (const error of await schemaErrors(object)) problems.push(`${nameOf(object)}: ${error}`);
}
problems.push(...policyProblems(objects, yaml.load(readFileSync(valuesPath, 'utf8')) ?? {}));
for (const problem of problems) console.log(`        ${problem}`);
console.log(`        ${objects.length} objects: ${[...new Set(objects.map(({ kind }) => kind))].sort().join(' ')}`);
process.exit(problems.length > 0 || objects.length === 0 ? 1 : 0);
