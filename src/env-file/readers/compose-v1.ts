import { readPythonDotenv } from './python-dotenv.ts';
import { BOM, type EnvReader } from './reader.ts';

/** docker-compose 1.x reads by python-dotenv 0.21, with the encoding `utf-8-sig`: the mark goes away. */
export const composeV1Readers: readonly EnvReader[] = [
  {
    id: 'compose-v1 1.29',
    name: 'compose-v1',
    from: '1.29',
    read: (text) => readPythonDotenv(text.startsWith(BOM) ? text.slice(1) : text),
  },
];
