// Says once a minute how far a compilation is: it takes minutes, and a line for each file is noise.

/** What ninja (`[3/64] Building CXX object .../x.cc.o`) and make (`[  4%] Building ...`) print for each file. */
const STEP = /^\[ *(?:(\d+)\/(\d+)|(\d+)%)\] *(.*)$/;

const MINUTE_MS = 60_000;

export class CompilerProgress {
  #last;
  #started = Date.now();
  #timer;

  /** @param {{ say?: (line: string) => void, everyMs?: number }} [options] */
  constructor({ say = (line) => console.log(`r-at: ${line}`), everyMs = MINUTE_MS } = {}) {
    this.#timer = setInterval(() => {
      const minutes = Math.round((Date.now() - this.#started) / MINUTE_MS);
      say(`compiling for ${minutes} min, ${this.#last ?? "the precompiled header first"}`);
    }, everyMs);
    this.#timer.unref();
  }

  /** A line of the build's output. */
  take(line) {
    const step = STEP.exec(line);
    if (!step) return;
    const [, done, total, percent, what = ""] = step;
    const file = /([^/ ]+\/[^/ ]+)\.o(bj)?$/.exec(what)?.[1];
    this.#last = `${percent === undefined ? `${done} of ${total} steps` : `${percent} %`}${file ? `, last ${file}` : ""}`;
  }

  stop() {
    clearInterval(this.#timer);
  }
}
