/**
 * A program for `node -e`: asks each of the URLs that it is given 20 times a second without a credential, until it is
 * told to end; then says what it got, as JSON. It runs where the engine's ports are.
 */
export const PROBER = `
const { get } = require('node:http');
const answers = process.argv.slice(1).map((url) => ({ url, asked: 0, answered: 0, oks: 0 }));
const ask = (answer) => {
  answer.asked += 1;
  get(answer.url, { agent: false }, (response) => {
    response.resume();
    answer.answered += 1;
    if (response.statusCode === 200) answer.oks += 1;
  }).on('error', () => undefined);
};
setInterval(() => answers.forEach(ask), 50);
process.on('SIGTERM', () => process.stdout.write(JSON.stringify(answers), () => process.exit(0)));
`;

/** What asked for a URL without a credential, how often it got an answer of any kind, and how often what it wanted. */
export interface Answers {
  url: string;
  asked: number;
  answered: number;
  oks: number;
}
