// A process for lock.test.ts. `hold`: takes the lock, says so, keeps it until it is killed. `count N FILE`: N times
// takes the lock, and adds one to the number in FILE by reading and writing it, which loses counts where two overlap.
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { Failure } from '../../../src/model/failure.ts';
import { acquireLock, type Lock } from '../../../src/store/lock.ts';

const [mode, state = '', times = '0', file = ''] = process.argv.slice(2);

function acquire(): Lock {
  for (;;) {
    try {
      return acquireLock({ path: state }, 'count');
    } catch (error) {
      if (!(error instanceof Failure && error.code === 'locked')) throw error;
    }
  }
}

if (mode === 'hold') {
  acquireLock({ path: state }, 'hold');
  process.stdout.write('held\n');
  process.stdin.resume();
} else {
  for (let n = 0; n < Number(times); n++) {
    const lock = acquire();
    mkdirSync(`${file}.inside`);
    writeFileSync(file, String(Number(readFileSync(file, 'utf8')) + 1));
    rmdirSync(`${file}.inside`);
    lock.release();
  }
}
