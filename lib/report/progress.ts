/**
 * Shows a training run while it goes on: a bar on a terminal, a plain line every few seconds elsewhere. Both say the same
 * things: what is being done; in training loss, the last dev metric, examples a second, time left.
 */
import { MultiBar, type SingleBar } from "cli-progress";
import { formatMetrics } from "../render/metrics.js";
import { displayWidth } from "../render/table.js";
import type { TrainEvent } from "../run/events.js";
import { describeEvent, formatSeconds } from "./words.js";

export interface ProgressOptions {
  /** Where to write. Default: stderr. */
  readonly stream?: NodeJS.WriteStream;
  /** Steps of the whole run, if they are known. */
  readonly totalSteps?: number;
  /** Name of the run, in front of everything. Default: none. */
  readonly title?: string;
  /** Seconds between two plain lines. Default: 5. */
  readonly secondsBetweenLines?: number;
}

/** What a progress display can do. */
export interface Progress {
  /** Says what is being done, and how much of it is. */
  stage(name: string, done?: number, total?: number): void;
  /** Takes the next event of the run. */
  update(event: TrainEvent): void;
  /** A line above the bar. */
  log(line: string): void;
  /** Ends the display and gives the terminal back. A second call does nothing. */
  stop(): void;
}

/** The stage that shows loss and rate. */
export const TRAINING = "training";

/** A bar if `stream` is a terminal, else plain lines. */
export function createProgress(options: ProgressOptions = {}): Progress {
  const stream = options.stream ?? process.stderr;
  return stream.isTTY ? new BarProgress(stream, options) : new LineProgress(stream, options);
}

/** What both displays show, gathered from the events. Rates count from the first event: a run may have been resumed. */
class RunState {
  name = TRAINING;
  done = 0;
  total: number;
  #since = performance.now();
  #first: { readonly step: number; readonly at: number } | undefined;
  #lastAt = 0;
  #evaluationMs = 0;
  #batchSize = 0;
  step = 0;
  epoch = 0;
  loss = Number.NaN;
  metric = "";

  /** @param totalSteps - 0: not known yet. */
  constructor(totalSteps = 0) {
    this.total = totalSteps;
  }

  begin(name: string, done: number, total: number): void {
    if (name !== this.name) this.#since = performance.now();
    Object.assign(this, { name, done, total });
  }

  /** Seconds since the stage began. */
  get seconds(): number {
    return (performance.now() - this.#since) / 1000;
  }

  add(event: TrainEvent): void {
    const now = performance.now();
    if (event.type === "step") {
      this.step = event.step;
      this.done = Math.max(this.done, event.step);
      this.epoch = event.epoch;
      this.loss = event.loss;
      this.#batchSize = Math.max(this.#batchSize, event.examples);
      this.#first ??= { step: event.step, at: now };
    } else if (event.type === "eval") {
      this.metric = `${event.split} ${formatMetrics(event.metrics, 1)}`;
      if (this.#first) this.#evaluationMs += now - this.#lastAt;
    }
    this.#lastAt = now;
  }

  /** Examples a second of training alone; `-` before there are two events to measure between. */
  get rate(): string {
    const { steps, ms } = this.#sinceFirst();
    const trainingMs = ms - this.#evaluationMs;
    return steps > 0 && trainingMs > 0
      ? String(Math.round((steps * this.#batchSize * 1000) / trainingMs))
      : "-";
  }

  /** Evaluations included. */
  get timeLeft(): string {
    const { steps, ms } = this.#sinceFirst();
    return steps > 0 ? formatSeconds((ms / 1000 / steps) * Math.max(0, this.total - this.step)) : "-";
  }

  #sinceFirst(): { steps: number; ms: number } {
    if (!this.#first) return { steps: 0, ms: 0 };
    return { steps: this.step - this.#first.step, ms: this.#lastAt - this.#first.at };
  }

  get lossText(): string {
    return Number.isNaN(this.loss) ? "-" : this.loss.toFixed(3);
  }
}

class BarProgress implements Progress {
  readonly #state: RunState;
  readonly #title: string;
  readonly #columns: number;
  readonly #bars: MultiBar;
  readonly #bar: SingleBar;
  #stopped = false;

  constructor(stream: NodeJS.WriteStream, options: ProgressOptions) {
    this.#state = new RunState(options.totalSteps);
    this.#title = options.title ? `${options.title}  ` : "";
    this.#columns = stream.columns ?? Number.POSITIVE_INFINITY;
    // A MultiBar of one bar, because only that can print lines above itself; it draws by time, so that the seconds move
    // where nothing else does. It must not catch signals: the CLI does.
    this.#bars = new MultiBar({
      stream,
      hideCursor: true,
      gracefulExit: false,
      clearOnComplete: true,
      format: () => this.#line(),
    });
    this.#bar = this.#bars.create(1, 0);
  }

  stage(name: string, done = 0, total = 0): void {
    this.#state.begin(name, done, total);
  }

  update(event: TrainEvent): void {
    this.#state.add(event);
    if (event.type !== "step") this.log(describeEvent(event));
  }

  log(line: string): void {
    // The bars turn the terminal's own wrapping off.
    if (!this.#stopped) this.#bars.log(`${wrapped(line, this.#columns)}\n`);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#bar.update(1);
    this.#bars.update();
    this.#bars.stop();
  }

  #line(): string {
    const { name, done, total, seconds, lossText, metric, rate, timeLeft } = this.#state;
    const count = total > 0 ? `${bar(done / total)} ${done}/${total}  ` : "";
    if (name !== TRAINING) return `${this.#title}${name}  ${count}${formatSeconds(seconds)}`;
    const measured = `loss ${lossText}  ${metric && `${metric}  `}${rate} examples/s  ${timeLeft} left`;
    return `${this.#title}${count}${measured}  ${formatSeconds(seconds)}`;
  }
}

/** At blanks, so that no line is longer than `columns`, unless a word is. */
function wrapped(text: string, columns: number): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    const joined = last === undefined ? word : `${last} ${word}`;
    if (last !== undefined && displayWidth(joined) > columns) lines.push(`  ${word}`);
    else lines.splice(-1, 1, joined);
  }
  return lines.join("\n");
}

const BAR_WIDTH = 24;

function bar(share: number): string {
  const full = Math.round(BAR_WIDTH * Math.min(Math.max(share, 0), 1));
  return "█".repeat(full) + "░".repeat(BAR_WIDTH - full);
}

class LineProgress implements Progress {
  readonly #state: RunState;
  readonly #prefix: string;
  #lastLineAt = performance.now();

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly options: ProgressOptions,
  ) {
    this.#state = new RunState(options.totalSteps);
    this.#prefix = options.title ? `${options.title}  ` : "";
  }

  stage(name: string, done = 0, total = 0): void {
    this.#state.begin(name, done, total);
    if (name !== TRAINING && total > 0 && this.#isTime()) this.log(`${name} ${done}/${total}`);
  }

  update(event: TrainEvent): void {
    this.#state.add(event);
    if (event.type === "step") this.#step();
    else this.log(describeEvent(event));
  }

  #step(): void {
    if (!this.#isTime()) return;
    const { step, total, epoch, lossText, rate, timeLeft } = this.#state;
    const place = `step ${step}/${total}  epoch ${epoch + 1}`;
    this.log(`${place}  loss ${lossText}  ${rate} examples/s  ${timeLeft} left`);
  }

  #isTime(): boolean {
    const now = performance.now();
    if (now - this.#lastLineAt < (this.options.secondsBetweenLines ?? 5) * 1000) return false;
    this.#lastLineAt = now;
    return true;
  }

  log(line: string): void {
    this.stream.write(`${this.#prefix}${line}\n`);
  }

  stop(): void {}
}
