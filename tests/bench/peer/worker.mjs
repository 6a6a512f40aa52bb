// A BullMQ worker that calls the provider, paced by BullMQ's own limiter; on a 429
// it does what BullMQ's documentation advises: tells the limiter, and the job waits.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { Worker } from 'bullmq';

const [port, url, folder, max, duration, concurrency] = process.argv.slice(2);
const bodies = [0, 1].map((kind) => readFileSync(`${folder}/${kind}.json`));
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });

function post(body) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const request = http.request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response));
    });
    request.on('error', reject);
    request.end(body);
  });
}

const worker = new Worker(
  'calls',
  async (job) => {
    const response = await post(bodies[job.data.kind]);
    if (response.statusCode !== 429) return;
    await worker.rateLimit(Number(response.headers['retry-after-ms']));
    throw Worker.RateLimitError();
  },
  {
    connection: { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null },
    concurrency: Number(concurrency),
    limiter: { max: Number(max), duration: Number(duration) },
    removeOnComplete: { count: 0 },
  },
);
worker.on('error', (error) => console.error(error.message));
