// processes.mjs SOURCE RENDERED DIR: starts the real programs with exactly the arguments
// and environment of the rendered manifests, as containers.mjs reads them. Only what has
// to differ on one machine is replaced: host names and ports by free ports of 127.0.0.1,
// and the folders of volumes by folders below DIR. Outside are a simulated arXiv and a
// simulated provider, or nothing. Prints what it found; exits with 1 if something is wrong.
import { spawn, spawnSync } from 'node:child_process';
import { openSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { containersOf, plantedSecret } from './containers.mjs';
import { readManifests } from './manifests.mjs';

const [source, rendered, dir] = process.argv.slice(2);
const bin = `${source}/build/release/bin`;
const objects = readManifests(rendered);

let failures = 0;
function check(holds, text) {
  console.log(`        ${holds ? '' : 'FAILED: '}${text}`);
  if (!holds) failures += 1;
}
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function eventually(condition, seconds) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const result = await condition();
    if (result || Date.now() > deadline) return result;
    await sleep(50);
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// ---- processes ---------------------------------------------------------------

const running = [];
process.on('exit', () => running.forEach(({ child }) => child.kill('SIGKILL')));

function start(name, command, env = {}) {
  const log = `${dir}/${name}.log`;
  const file = openSync(log, 'a');
  const path = `${bin}:${source}/deploy/image:${process.env.PATH}`;
  const child = spawn(command[0], command.slice(1), { env: { PATH: path, ...env }, stdio: ['ignore', file, file] });
  const begun = { name, command, child, log: () => readFileSync(log, 'utf8') };
  begun.ended = new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(code ?? signal));
  });
  begun.ended.then(() => { begun.over = true; });
  running.push(begun);
  return begun;
}

async function get(port, path) {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2000) });
    return { status: response.status, body: await response.text() };
  } catch {
    return { status: 0, body: '' };
  }
}

const serves = (port, path, seconds = 20) => eventually(async () => (await get(port, path)).status === 200, seconds);

// Stops it with SIGTERM, as a kubelet does, and expects that code within its grace.
async function stop(begun, container, code) {
  const at = Date.now();
  begun.child.kill('SIGTERM');
  const ended = await Promise.race([begun.ended, sleep(container.grace * 1000).then(() => 'nothing')]);
  check(ended === code, `${begun.name}: SIGTERM, ended with ${ended} after ${Date.now() - at} ms of ${container.grace} s`);
}

// A simulated server, which says on which port it listens.
async function simulated(name, args) {
  const server = start(name, [`${source}/build/release/tests/paperboy-test-${name}-server`, ...args]);
  await eventually(() => /listening \d+/.test(server.log()), 10);
  return Number(/listening (\d+)/.exec(server.log())[1]);
}

// ---- from the manifests to this machine ----------------------------------------

// What is replaced by what, in one go: what came out is not replaced again.
const replacements = new Map();
function replaced(text, more = new Map()) {
  const all = new Map([...replacements, ...more]);
  const keys = [...all.keys()].sort((a, b) => b.length - a.length);
  const escaped = keys.map((key) => key.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return text.replace(new RegExp(`(${escaped.join('|')})(?![\\w-])`, 'g'), (from) => all.get(from));
}

function run(command, ...args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
}

// Keys as the program makes them, and a certificate of Redis's, where the manifests ask
// for them.
const keysDir = `${dir}/made/keys`, redisCertificate = `${dir}/made/redis.crt`, redisKey = `${dir}/made/redis.key`;
const redisPassword = plantedSecret('redis', 'password');
const redisByTls = readFileSync(rendered, 'utf8').includes('PAPERBOY_REDIS_CA');
run(`${bin}/paperboy-aggregator`, 'keys', keysDir);
if (redisByTls) {
  run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=redis', '-addext', 'subjectAltName=IP:127.0.0.1',
    '-days', '2', '-keyout', redisKey, '-out', redisCertificate);
}

const external = {
  'paperboy-redis-url': () => (redisByTls ? `rediss://:${redisPassword}@` : 'redis://') + `${external.host}/0`,
  'paperboy-redis-ca': () => readFileSync(redisCertificate, 'utf8'),
  'paperboy-keys': (key) => readFileSync(`${keysDir}/${key}`, 'utf8'),
  host: 'redis.internal:6379',
};
const secretOf = (name, key) => external[name]?.(key) ?? plantedSecret(name, key);
const containers = containersOf(objects, dir, secretOf);
const one = (name, kind) => containers.find((container) => container.name === name && (!kind || container.kind === kind));

const port = { fetchers: await freePort(), scorers: await freePort(), site: await freePort(), redis: await freePort() };
replacements.set('tcp://paperboy-aggregator:5555', `tcp://127.0.0.1:${port.fetchers}`);
replacements.set('tcp://paperboy-aggregator:5556', `tcp://127.0.0.1:${port.scorers}`);
replacements.set('tcp://*:5555', `tcp://127.0.0.1:${port.fetchers}`);
replacements.set('tcp://*:5556', `tcp://127.0.0.1:${port.scorers}`);
replacements.set('paperboy-site:80', `127.0.0.1:${port.site}`);
for (const host of ['paperboy-redis:6379', 'redis.example.org:6380', external.host]) replacements.set(host, `127.0.0.1:${port.redis}`);

function launch(name, container, http) {
  const own = new Map([['0.0.0.0:8080', `127.0.0.1:${http}`], ...container.mounts.map(({ path, folder }) => [path, folder])]);
  const local = (text) => replaced(text, own);
  const env = Object.fromEntries(Object.entries(container.env).map(([key, value]) => [key, local(value)]));
  return { name, command: container.command.map(local), env };
}

async function startContainer(name, container, http) {
  const { command, env } = launch(name, container, http ?? (await freePort()));
  return start(name, command, env);
}

// Every flag and PAPERBOY_ name is one that the program's --help has.
function namesExist(container) {
  const [program, ...args] = container.command;
  if (!program.startsWith('paperboy-') || program === 'paperboy-health') return;
  const help = spawnSync(`${bin}/${program}`, ['--help'], { encoding: 'utf8' }).stdout;
  const flags = args.filter((argument) => argument.startsWith('--')).map((argument) => argument.split('=')[0]);
  const names = Object.keys(container.env).filter((name) => name.startsWith('PAPERBOY_')).map((name) => `[${name}]`);
  const unknown = [...flags.filter((flag) => !new RegExp(`^  ${flag}( |$)`, 'm').test(help)), ...names.filter((name) => !help.includes(name))];
  check(unknown.length === 0, `${container.name}: ${flags.length} flags, ${names.length} names of the environment are in ${program} --help ${unknown}`);
}

// What holds for the program with the container's own arguments.
function configured(container, key) {
  const { command, env } = launch(container.name, container, 1);
  const config = spawnSync(`${bin}/${command[0]}`, [...command.slice(1), '--print-config'], { env, encoding: 'utf8' }).stdout;
  return new RegExp(`^${key} = "?([^"\\s]*)`, 'm').exec(config)?.[1];
}

// A time that the code has as a constant, in seconds.
function seconds(file, name) {
  const text = readFileSync(`${source}/${file}`, 'utf8');
  return Number(new RegExp(`\\b${name}(?: = |\\{)([\\d']+)`).exec(text)[1].replaceAll("'", '')) / 1000;
}

function gracesExceedDeadlines() {
  const exceeds = (name, what, has, why, needs) => check(has > needs, `${name}: ${what} of ${has} s exceeds ${why}, ${needs} s`);
  const scorer = one('paperboy-scorer');
  exceeds('scorer', 'the grace', scorer.grace, 'call, flush and goodbye',
    Number(configured(scorer, 'call_timeout')) + seconds('scorer/scorer.h', 'kFlushTime') + seconds('scorer/main.cc', 'kGoodbyeMs'));
  // It finishes its turn, and with it what it commits; one that takes longer is a loop that hangs.
  const { minimum } = JSON.parse(readFileSync(`${source}/deploy/chart/values.schema.json`)).properties.aggregator.properties.terminationGracePeriodSeconds;
  for (const [what, grace] of [['the grace', one('paperboy-aggregator').grace], ['the least grace allowed', minimum]]) {
    exceeds('aggregator', what, grace, 'the longest turn of its loop', seconds('common/status_server.cc', 'kLoopSilence'));
  }
  for (const fetcher of containers.filter(({ kind }) => ['CronJob', 'Job'].includes(kind))) {
    // A request that renews its lock for arXiv, and the one that frees it.
    exceeds(fetcher.name, 'the grace', fetcher.grace, 'its last words to Redis', 4 * seconds('fetcher/polite_client.cc', 'kRedisDeadline'));
    const hours = Number(/^(\d+)h$/.exec(configured(fetcher, 'deadline'))?.[1]);
    exceeds(fetcher.name, 'activeDeadlineSeconds', fetcher.activeDeadline, 'its deadline and its grace', hours * 3600 + fetcher.grace);
  }
}

// ---- the outside ---------------------------------------------------------------

const text = JSON.stringify(containers);
const withArxiv = text.includes('arxiv.example.org');

// The date that a fetcher without one asks for.
function datePublished() {
  const day = (at) => at.toLocaleDateString('en-CA', { timeZone: 'America/New_York' });
  const range = [`--from=${day(new Date(Date.now() - 7 * 86400e3))}`, `--to=${day(new Date())}`];
  const calendar = spawnSync(`${bin}/paperboy-fetcher`, ['calendar', ...range], { encoding: 'utf8' }).stdout;
  return calendar.trim().split('\n').filter((line) => line.endsWith('\t-')).at(-1).split('\t')[0];
}
const date = datePublished();

if (withArxiv) {
  // As submitted for that date: on a day without announcement a fetcher rebuilds the last one.
  const papers = `${dir}/announcement.jsonl`;
  const lines = readFileSync(`${source}/config/sample/announcement.jsonl`, 'utf8').trim().split('\n');
  writeFileSync(papers, lines.map((line) => JSON.stringify({ ...JSON.parse(line), published: undefined, updated: undefined })).join('\n'));
  const arxiv = await simulated('arxiv', [`--papers=${papers}`, `--date=${date}`]);
  replacements.set('https://arxiv.example.org', `http://127.0.0.1:${arxiv}`);
}
if (text.includes('llm.example.org')) {
  const llm = await simulated('llm', [`--key=${plantedSecret('paperboy-llm', 'api-key')}`, '--latency=20']);
  replacements.set('https://llm.example.org', `http://127.0.0.1:${llm}`);
}

// ---- the run -------------------------------------------------------------------

containers.forEach(namesExist);
gracesExceedDeadlines();

// Redis: the embedded one by its manifest, or one elsewhere.
const redis = one('paperboy-redis');
if (redis) {
  redis.command = redis.command.map((argument) => (argument === '6379' ? String(port.redis) : argument));
  await startContainer('redis', redis);
  const cli = (command, env = redis.env) =>
    spawnSync(command[0], command.slice(1).map((argument) => (argument === '6379' ? String(port.redis) : argument)),
      { env: { PATH: process.env.PATH, ...env }, encoding: 'utf8' }).stdout.trim();
  for (const [probe, answer] of [[redis.liveness, 'PONG'], [redis.readiness, 'OK']]) {
    check(await eventually(() => cli(probe.exec.command) === answer, 10), `redis: ${probe.exec.command.at(-1)}: ${cli(probe.exec.command)}`);
  }
  if (redis.env.REDIS_PASSWORD) {
    const answer = cli(redis.liveness.exec.command, {});
    check(answer.startsWith('NOAUTH'), `redis: without the password: ${answer}`);
  }
} else {
  const listen = redisByTls
    ? ['--port', '0', '--tls-port', String(port.redis), '--tls-cert-file', redisCertificate, '--tls-key-file', redisKey,
      '--tls-ca-cert-file', redisCertificate, '--tls-auth-clients', 'no']
    : ['--port', String(port.redis)];
  // The password from a file: the server's own arguments are searched for secrets too.
  writeFileSync(`${dir}/redis.conf`, redisByTls ? `requirepass ${redisPassword}\n` : '');
  start('redis', ['redis-server', `${dir}/redis.conf`, ...listen, '--bind', '127.0.0.1', '--save', '', '--maxmemory-policy', 'noeviction', '--dir', dir]);
}

const aggregator = one('paperboy-aggregator');
const ledger = await startContainer('aggregator', aggregator, port.site);
check(await serves(port.site, aggregator.readiness.httpGet.path), 'aggregator: /readyz answers 200');

const scorer = one('paperboy-scorer');
const scorers = [];
for (let i = 0; i < 2; i += 1) {
  const http = await freePort();
  scorers.push(await startContainer(`scorer-${i}`, scorer, http));
  check(await serves(http, scorer.readiness.httpGet.path), `scorer-${i}: /readyz answers 200`);
  scorers[i].http = http;
}

for (const container of containers.filter(({ kind }) => kind === 'Pod')) {
  const tried = await startContainer(`test-${container.container}`, container);
  const code = await Promise.race([tried.ended, sleep(20000).then(() => 'nothing')]);
  check(code === 0, `helm's test, ${container.container}: ended with ${code}`);
}

for (const fetcher of containers.filter(({ kind }) => ['CronJob', 'Job'].includes(kind))) {
  const http = await freePort();
  // Where there is no simulated arXiv nothing of this reaches the real one.
  if (!withArxiv) fetcher.env.HTTPS_PROXY = 'http://127.0.0.1:9';
  const name = fetcher.kind === 'Job' ? 'backfill' : 'fetcher';
  const begun = await startContainer(name, fetcher, http);
  if (withArxiv) {
    const code = await Promise.race([begun.ended, sleep(120000).then(() => 'nothing')]);
    check(code === 0, `${name}: ended with ${code}`);
    const page = await get(port.site, `/default/md/${date.slice(0, 7)}/${date}-output.md`);
    check(page.status === 200 && page.body.includes('ArXiv ID'), `the page of ${date} is served`);
  } else {
    check(await serves(http, fetcher.liveness.httpGet.path), `${name}: /healthz answers 200`);
    const waits = await eventually(async () => /waiting for/.test((await get(http, '/readyz')).body), 20);
    check(waits, `${name}: without arXiv it says "${(await get(http, '/readyz')).body.trim()}"`);
    await stop(begun, fetcher, 143);
  }
}

// The planted secrets are in no arguments, logs, metrics or status of any process.
const places = new Map();
for (const { name, child, log, over } of running.filter(({ name: of }) => of !== 'llm')) {
  places.set(`the log of ${name}`, log());
  if (!over) places.set(`the arguments of ${name}`, readFileSync(`/proc/${child.pid}/cmdline`, 'utf8'));
}
for (const http of [port.site, ...scorers.map((begun) => begun.http)]) {
  for (const path of ['/metrics', '/readyz']) places.set(`${http}${path}`, (await get(http, path)).body);
}
const secrets = ['planted-', ...readdirSync(keysDir).filter((file) => file.endsWith('.key')).map((file) => readFileSync(`${keysDir}/${file}`, 'utf8').trim())];
const leaks = [...places].filter(([, text]) => secrets.some((secret) => text.includes(secret))).map(([place]) => place);
check(leaks.length === 0, `a secret is in none of ${places.size} logs, arguments, metrics ${leaks}`);
if (aggregator.command.includes('--log-format=json')) {
  const lines = [ledger, ...scorers].flatMap((begun) => begun.log().trim().split('\n'));
  check(lines.every((line) => { try { return JSON.parse(line).message !== undefined; } catch { return false; } }), `${lines.length} lines of logs are JSON`);
}

// What an operator runs beside it with kubectl exec: in its environment, without flags.
const command = launch('status', aggregator, 1);
const status = spawnSync(`${bin}/paperboy-aggregator`, ['status'], { env: command.env, encoding: 'utf8' });
check(status.status === 0, `paperboy-aggregator status in its environment: ${status.status} ${status.stdout.split('\n')[0]}`);

for (const begun of scorers) await stop(begun, scorer, 0);
await stop(ledger, aggregator, 0);
if (failures > 0) {
  for (const file of readdirSync(dir).filter((entry) => entry.endsWith('.log'))) {
    console.log(`--- the end of ${file}\n${readFileSync(`${dir}/${file}`, 'utf8').split('\n').slice(-8).join('\n')}`);
  }
}
process.exit(failures > 0 ? 1 : 0);
