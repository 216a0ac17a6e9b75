/**
 * Shows a training run while it goes on: a bar on a terminal, a plain line every few seconds elsewhere. Both say the same
 * things: loss, the last dev metric, examples a second, time left.
 */
import { MultiBar, type SingleBar } from "cli-progress";
import type { Metrics, TrainEvent } from "../trainer/events.js";

export interface ProgressOptions {
  /** Where to write. Default: stderr. */
  readonly stream?: NodeJS.WriteStream;
  /** Steps of the whole run. */
  readonly totalSteps: number;
  /** Steps that an earlier, resumed run has done already. Default: 0. */
  readonly firstStep?: number;
  /** Name of the run, in front of everything. Default: none. */
  readonly title?: string;
  /** Seconds between two plain lines. Default: 5. */
  readonly secondsBetweenLines?: number;
}

/** What a progress display can do. */
export interface Progress {
  /** Takes the next event of the run. */
  update(event: TrainEvent): void;
  /** A line above the bar. */
  log(line: string): void;
  /** Ends the display and gives the terminal back. A second call does nothing. */
  stop(): void;
}

/** A bar if `stream` is a terminal, else plain lines. */
export function createProgress(options: ProgressOptions): Progress {
  const stream = options.stream ?? process.stderr;
  return stream.isTTY ? new BarProgress(stream, options) : new LineProgress(stream, options);
}

/** What both displays show, gathered from the events. */
class RunState {
  readonly #startedAt = performance.now();
  readonly #firstStep: number;
  readonly #totalSteps: number;
  #examplesPerStep = 0;
  #evaluationMs = 0;
  #lastStepAt = performance.now();
  step: number;
  epoch = 0;
  loss = Number.NaN;
  metric = "";

  constructor(options: ProgressOptions) {
    this.#firstStep = this.step = options.firstStep ?? 0;
    this.#totalSteps = options.totalSteps;
  }

  add(event: TrainEvent): void {
    if (event.type === "step") {
      this.step = event.step;
      this.epoch = event.epoch;
      this.loss = event.loss;
      this.#examplesPerStep = Math.max(this.#examplesPerStep, event.examples);
      this.#lastStepAt = performance.now();
    } else if (event.type === "eval") {
      this.metric = `${event.split} ${formatMetrics(event.metrics, 1)}`;
      this.#evaluationMs += performance.now() - this.#lastStepAt;
      this.#lastStepAt = performance.now();
    }
  }

  /** Steps a second of training alone. */
  get #stepsPerSecond(): number {
    const seconds = (this.#lastStepAt - this.#startedAt - this.#evaluationMs) / 1000;
    return seconds > 0 ? (this.step - this.#firstStep) / seconds : 0;
  }

  get examplesPerSecond(): number {
    return Math.round(this.#stepsPerSecond * this.#examplesPerStep);
  }

  get timeLeft(): string {
    const done = this.step - this.#firstStep;
    if (done === 0) return "?";
    const elapsed = (performance.now() - this.#startedAt) / 1000;
    return formatSeconds((elapsed / done) * Math.max(0, this.#totalSteps - this.step));
  }

  get lossText(): string {
    return Number.isNaN(this.loss) ? "-" : this.loss.toFixed(3);
  }
}

class BarProgress implements Progress {
  readonly #state: RunState;
  readonly #bars: MultiBar;
  readonly #bar: SingleBar;
  #stopped = false;

  constructor(stream: NodeJS.WriteStream, options: ProgressOptions) {
    this.#state = new RunState(options);
    const title = options.title ? `${options.title}  ` : "";
    // A MultiBar of one bar, because only that can print lines above itself. It must not catch signals: the CLI does.
    this.#bars = new MultiBar({
      stream,
      hideCursor: true,
      gracefulExit: false,
      barsize: 24,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      format: `${title}{bar} {value}/{total}  loss {loss}  {metric}{rate} examples/s  {left} left`,
    });
    this.#bar = this.#bars.create(options.totalSteps, this.#state.step, this.#payload());
  }

  update(event: TrainEvent): void {
    this.#state.add(event);
    if (event.type === "step") this.#bar.update(event.step, this.#payload());
    else this.log(describe(event));
  }

  log(line: string): void {
    if (!this.#stopped) this.#bars.log(`${line}\n`);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#bars.update();
    this.#bars.stop();
  }

  #payload() {
    const { lossText, metric, examplesPerSecond, timeLeft } = this.#state;
    return { loss: lossText, metric: metric && `${metric}  `, rate: examplesPerSecond, left: timeLeft };
  }
}

class LineProgress implements Progress {
  readonly #state: RunState;
  readonly #prefix: string;
  #lastLineAt = performance.now();

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly options: ProgressOptions,
  ) {
    this.#state = new RunState(options);
    this.#prefix = options.title ? `${options.title}  ` : "";
  }

  update(event: TrainEvent): void {
    this.#state.add(event);
    if (event.type === "step") this.#step();
    else this.log(describe(event));
  }

  #step(): void {
    const now = performance.now();
    if (now - this.#lastLineAt < (this.options.secondsBetweenLines ?? 5) * 1000) return;
    this.#lastLineAt = now;
    const { step, epoch, lossText, examplesPerSecond, timeLeft } = this.#state;
    const rate = `${examplesPerSecond} examples/s  ${timeLeft} left`;
    this.log(`step ${step}/${this.options.totalSteps}  epoch ${epoch + 1}  loss ${lossText}  ${rate}`);
  }

  log(line: string): void {
    this.stream.write(`${this.#prefix}${line}\n`);
  }

  stop(): void {}
}

/** One line about an event, as `step 40  dev: loss 0.4210, accuracy 0.8120`. */
export function describe(event: TrainEvent): string {
  switch (event.type) {
    case "step":
      return `step ${event.step}  loss ${event.loss.toFixed(4)}`;
    case "eval":
      return `step ${event.step}  ${event.split}: loss ${event.loss.toFixed(4)}, ${formatMetrics(event.metrics)}`;
    case "checkpoint":
      return `step ${event.step}  checkpoint: ${event.path}`;
    case "warning":
      return `warning: ${event.message}`;
  }
}

/** `accuracy 0.8120, f1 0.8034`; an undefined metric is a dash. */
export function formatMetrics(metrics: Metrics, count = Number.POSITIVE_INFINITY): string {
  const entries = Object.entries(metrics).slice(0, count);
  return entries.map(([name, value]) => `${name} ${value == null ? "-" : value.toFixed(4)}`).join(", ");
}

/** `8s`, `2m05s`, `1h03m`. */
export function formatSeconds(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  return `${Math.floor(s / 3600)}h${two(Math.floor((s % 3600) / 60))}m`;
}
