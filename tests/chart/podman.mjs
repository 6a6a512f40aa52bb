// podman.mjs RENDERED DIR NAME IMAGE: prints, each followed by a NUL, what podman run needs
// to start the container of the object NAME as a kubelet would: image, command,
// environment, user and files, which are written below DIR.
import { chownSync } from 'node:fs';
import { readManifests } from './manifests.mjs';
import { containersOf } from './containers.mjs';

const [rendered, dir, name, image] = process.argv.slice(2);
const container = containersOf(readManifests(rendered), dir).find((candidate) => candidate.name === name);
const options = [`--user=${container.user}:${container.user}`];
for (const [key, value] of Object.entries(container.env)) options.push(`--env=${key}=${value}`);
for (const { path, folder, readOnly } of container.mounts) {
  // As fsGroup does it with a claim or an empty folder.
  if (!readOnly) chownSync(folder, container.user, container.user);
  options.push(`--volume=${folder}:${path}${readOnly ? ':ro' : ''}`);
}
for (const argument of [...options, image, ...container.command]) process.stdout.write(`${argument}\0`);
