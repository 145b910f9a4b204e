// A flood of wrong passwords, in a process of its own: each client asks again as soon as it is answered.
import { Agent, request } from 'node:http';

/** What each kind of flood sends; no two attempts have the same password. */
const KINDS = {
  form: (wrong) => ({
    method: 'POST',
    path: '/login',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `username=ada&password=${wrong}`,
  }),
  bearer: (wrong) => ({ method: 'GET', path: '/queue', headers: { authorization: `Bearer ${wrong}` } }),
};

const { port, kind, clients, spread = false, forwarded, atMost } = JSON.parse(process.argv[2]);
const answers = {};
let sent = 0;
let stopped = false;

/** An address for each number, none of them twice among four billion. */
const address = (number) => [24, 16, 8, 0].map((bits) => (number >>> bits) & 255).join('.');

/** Asks once; gives the status, or 0 where the connection broke. */
function attempt(agent, localAddress) {
  const number = ++sent;
  const { body, headers, ...what } = KINDS[kind](`wrong-${number}`);
  const from = forwarded === undefined ? {} : { 'x-forwarded-for': address(forwarded + number) };
  const length = body === undefined ? {} : { 'content-length': body.length };
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, agent, localAddress, ...what };
    const asked = request({ ...options, headers: { ...headers, ...from, ...length } });
    asked.on('error', () => resolve(0));
    asked.on('response', (response) => {
      response.resume();
      response.on('error', () => resolve(0));
      response.on('end', () => resolve(response.statusCode));
    });
    asked.end(body);
  });
}

async function client(index) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const localAddress = spread ? `127.1.${index >> 8}.${(index & 255) + 1}` : '127.0.0.1';
  while (!stopped && (atMost === undefined || sent < atMost)) {
    const status = await attempt(agent, localAddress);
    if (Object.keys(answers).length === 0) process.send('under way');
    answers[status] = (answers[status] ?? 0) + 1;
  }
  agent.destroy();
}

const all = Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
const asked = new Promise((resolve) => process.once('message', resolve)).then(() => {
  stopped = true;
});
await (atMost === undefined ? asked : all);
// Those who still wait for an answer would wait long where nothing limits them.
process.send(answers, () => process.exit());
