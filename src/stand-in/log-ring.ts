const CAPACITY = 300;

/** What ComfyUI prints, and the part of it that `/internal/logs` shows. */
export class LogRing {
  readonly entries: { t: string; m: string }[] = [];
  readonly #print: (line: string) => void;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  readonly line = (text: string): void => {
    this.entries.push({ t: new Date().toISOString(), m: `${text}\n` });
    if (this.entries.length > CAPACITY) this.entries.shift();
    this.#print(text);
  };

  text(): string {
    return this.entries.map(({ t, m }) => `${t} - ${m}`).join('');
  }
}
