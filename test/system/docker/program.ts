import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A program that was started, and all that it said. */
export class Program {
  readonly process: ChildProcess;
  /** Its exit code once it has ended; null where a signal ended it. */
  readonly ended: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor([program, args]: [program: string, args: string[]], env: Record<string, string>) {
    this.process = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.process.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString('utf8');
    });
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString('utf8');
    });
    this.ended = once(this.process, 'close').then(([code]) => code as number | null);
  }

  /** Waits until a pattern shows up on stderr; rejects with all that was said where the program ends before. */
  said(pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (pattern.test(this.stderr)) resolve();
      };
      this.process.stderr?.on('data', look);
      void this.ended.then(() => reject(new Error(`ended before ${pattern}:\n${this.stderr}${this.stdout}`)));
      look();
    });
  }
}
