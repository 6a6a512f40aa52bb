// Fills the queue with one job for each call that the file `jobs` names.
import { readFileSync } from 'node:fs';
import { Queue } from 'bullmq';

const [port, , folder] = process.argv.slice(2);
const kinds = [...readFileSync(`${folder}/jobs`, 'utf8')].map(Number);
const queue = new Queue('calls', { connection: { host: '127.0.0.1', port: Number(port) } });
for (let i = 0; i < kinds.length; i += 1000) {
  await queue.addBulk(kinds.slice(i, i + 1000).map((kind) => ({ name: 'call', data: { kind } })));
}
await queue.close();
