// Asks a server every 20 ms without a credential until it is told to end, then says what it got, as JSON.
// A program of its own: it runs where the engine's ports are.
import { get } from 'node:http';

const url = process.argv[2];
const answers = { asked: 0, oks: 0, openMs: 0 };
let first = 0;

const timer = setInterval(() => {
  answers.asked += 1;
  get(url, { agent: false, timeout: 1000 }, (response) => {
    response.resume();
    if (response.statusCode !== 200) return;
    const now = performance.now();
    if (answers.oks === 0) first = now;
    answers.oks += 1;
    answers.openMs = Math.round(now - first);
  }).on('error', () => undefined);
}, 20);

process.on('SIGTERM', () => {
  clearInterval(timer);
  process.stdout.write(JSON.stringify(answers));
});
