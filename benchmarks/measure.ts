/**
 * One case: the gate, then blocks of steps of all implementations in turn, A B B A, in fresh processes. No time is taken of
 * an implementation whose losses or gradient norms differ from ours.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { passesOf } from "#dist/config/regularizer.js";
import type { NativeStepProfile } from "#dist/native/binding.js";
import type { Python } from "./python.js";
import { RunnerError, RunnerProcess } from "./runner/process.js";
import { type GateStep, type Method, type RunnerCase, WARM_BATCHES } from "./runner/protocol.js";
import { isNoisy, mean, ratioOf, type Spread, spreadOf, utilisation } from "./statistics.js";
import type { BenchmarkCase } from "./suites.js";
import { paddingFactor, type TokenBatch, tokenBatches, tokensOf } from "./workloads/batches.js";
import { type BenchmarkModel, benchmarkModel, passFlop } from "./workloads/models.js";
import { type RealTexts, realBatches } from "./workloads/real-text.js";

export interface Setting {
  readonly device: string;
  readonly threads: number;
  /** Cores that something else keeps busy meanwhile. */
  readonly busy: number;
  readonly python: Python | undefined;
  /** Best that the machine does, by precision: floating-point operations a second of a large matrix product. */
  readonly flopPerSecond: Readonly<Record<string, number>>;
  /** Seconds that the case may take. */
  readonly seconds: number;
  /** The task's own texts, in place of seeded ids of their lengths. */
  readonly realTexts: RealTexts | undefined;
}

export interface Comparison {
  readonly name: string;
  /** Null where the gate failed, or it could not be run. */
  readonly msPerStep: Spread | null;
  /** How many times as long as ours a step takes. */
  readonly ratio: number | null;
  /** 95 %, bootstrap. */
  readonly ratioInterval: readonly [number, number] | null;
  readonly gate: Gate;
  readonly peakMemoryBytes: number | null;
  readonly blocks: readonly number[];
}

export interface Gate {
  readonly passed: boolean;
  /** Largest relative difference of losses and gradient norms, without dropout. */
  readonly difference: number | null;
  readonly tolerance: number;
  readonly why?: string;
}

export interface CaseResult {
  readonly model: string;
  readonly regularizer: string;
  readonly precision: string;
  readonly device: string;
  readonly batchSize: number;
  readonly task: string;
  readonly texts: "seeded" | "real";
  readonly threads: number;
  readonly busy: number;
  readonly msPerStep: Spread;
  readonly tokensPerSecond: number;
  readonly examplesPerSecond: number;
  /** Needed operations, of what the machine's best matrix product does in the time. */
  readonly mfu: number;
  readonly flopPerStep: number;
  readonly paddingFactor: number;
  readonly peakMemoryBytes: number;
  readonly profile: NativeStepProfile;
  /** Milliseconds a step, of each block. */
  readonly blocks: readonly number[];
  readonly baseline: Comparison | null;
  readonly baselines: readonly Comparison[];
  readonly noisy: boolean;
}

const EPSILON = { encoder: 0.1, word: 1 };
const TOLERANCE = { fp32: 1e-5, bf16: 2e-2 };
const BLOCKS = 3; // of each process
const BLOCK_STEPS = [1, 2, 4, 8, 16, 32];
/** Steps of a block: the fewest that take us so long, or this part of a case's time. The same for all. */
const BLOCK = { milliseconds: 700, part: 1 / 150 };
/** Most seconds that warming up may take, and the part of a case's time. */
const WARM_UP = { seconds: 20, part: 1 / 20 };

/** Trains the case with everything it is compared with. */
export async function measure(one: BenchmarkCase, setting: Setting): Promise<CaseResult> {
  const folder = mkdtempSync(join(tmpdir(), "rat-bench-"));
  try {
    return await new Measurement(one, setting, folder).run();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

class Measurement {
  readonly #model: BenchmarkModel;
  readonly #base: Omit<RunnerCase, "batches" | "implementation">;
  readonly #deadline: number;
  /** Processes that have shown that they compute the same; the first round is theirs. */
  readonly #admitted = new Map<string, RunnerProcess>();
  #batches: TokenBatch[];

  constructor(
    private readonly one: BenchmarkCase,
    private readonly setting: Setting,
    private readonly folder: string,
  ) {
    this.#model = benchmarkModel(one.model);
    const { kind, options, config, name } = this.#model;
    const method: Method = {
      type: one.regularizer,
      epsilon: kind === "encoder" ? EPSILON.encoder : EPSILON.word,
      klWeight: 0.5,
      forwards: one.regularizer === "none" || one.regularizer === "fgm" ? 1 : 2,
    };
    this.#base = {
      model: { name, kind, options, config },
      weights: join(folder, "weights.safetensors"),
      ...{ method, precision: one.precision, device: setting.device, threads: setting.threads },
      ...{ dropout: 0.5, learningRate: 1e-5, weightDecay: 0.01, clipNorm: 1 },
    };
    this.#batches = this.batches(WARM_BATCHES);
    this.#deadline = performance.now() + setting.seconds * 1000;
  }

  private warmUpSeconds(): number {
    return Math.min(WARM_UP.seconds, this.setting.seconds * WARM_UP.part);
  }

  /** The first `count` batches of the case; more of them begin with the same. */
  private batches(count: number): TokenBatch[] {
    const { options, classes } = this.#model;
    const { task, batchSize } = this.one;
    const wanted = { batchSize, count, seed: 1 };
    if (this.setting.realTexts) return realBatches(this.setting.realTexts, wanted);
    return tokenBatches(task, { ...wanted, vocabularySize: options.vocabularySize, classes });
  }

  async run(): Promise<CaseResult> {
    try {
      return await this.measured();
    } finally {
      for (const runner of this.#admitted.values()) runner.kill();
    }
  }

  private async measured(): Promise<CaseResult> {
    const ours = this.start("r-at");
    await ours.ask("weights", this.#base.weights);
    const expected = (await ours.ask("gate")).steps;
    const { profile } = await ours.ask("profile");
    const { milliseconds } = await ours.ask("warmup", this.warmUpSeconds());
    ours.kill();
    const wanted = Math.min(BLOCK.milliseconds, this.setting.seconds * 1000 * BLOCK.part);
    const steps = BLOCK_STEPS.find((count) => count * milliseconds >= wanted) ?? 32;
    this.#batches = this.batches(WARM_BATCHES + BLOCKS * steps);

    const gates = new Map<string, Gate>();
    for (const name of this.one.baselines) gates.set(name, await this.gate(name, expected));
    const admitted = this.one.baselines.filter((name) => gates.get(name)?.passed);

    const times = new Map<string, { blocks: number[]; peak: number }>();
    const there = ["r-at", ...admitted];
    // A B B A: what drifts with time touches all alike. Fewer rounds where the time is up, but two of each at least.
    let rounds = 0;
    for (; rounds < 4; rounds++) {
      if (rounds >= 2 && performance.now() > this.#deadline) break;
      for (const name of rounds % 2 === 0 ? there : [...there].reverse())
        await this.blocks(name, steps, times);
    }

    const own = times.get("r-at");
    if (!own) throw new Error("nothing was measured");
    const comparisons = this.one.baselines.map((name) =>
      compare(name, own.blocks, times.get(name), gates.get(name), rounds),
    );
    return this.result(own, profile, comparisons, rounds);
  }

  private result(
    own: { blocks: number[]; peak: number },
    profile: NativeStepProfile,
    baselines: Comparison[],
    rounds: number,
  ): CaseResult {
    const { one, setting } = this;
    const { method } = this.#base;
    const batches = this.#batches.slice(WARM_BATCHES);
    const msPerStep = spreadOf(own.blocks);
    const tokens = batches.reduce((sum, batch) => sum + tokensOf(batch), 0) / batches.length;
    const pass = mean(batches.map((batch) => passFlop(this.#model, batch)));
    const flopPerStep = pass * passesOf(method);
    // All blocks of a round together have all batches once.
    const perSecond = 1000 / mean(own.blocks);
    const { model, regularizer, precision, batchSize, task } = one;
    return {
      ...{ model, regularizer, precision, device: setting.device, batchSize, task },
      ...{ texts: setting.realTexts ? ("real" as const) : ("seeded" as const) },
      ...{ threads: setting.threads, busy: setting.busy },
      msPerStep,
      tokensPerSecond: tokens * perSecond,
      examplesPerSecond: batchSize * perSecond,
      mfu: utilisation(flopPerStep, mean(own.blocks), setting.flopPerSecond[precision] ?? Number.NaN),
      flopPerStep,
      paddingFactor: paddingFactor(batches),
      peakMemoryBytes: own.peak,
      profile,
      blocks: own.blocks,
      baseline: baselines[0] ?? null,
      baselines,
      noisy: [own, ...baselines].some(({ blocks }) => isNoisy(blocks, rounds)),
    };
  }

  /** A process of an implementation; its case goes into a file. */
  private start(implementation: string): RunnerProcess {
    const path = join(this.folder, `${implementation}.json`);
    const written: RunnerCase = { ...this.#base, implementation, batches: this.#batches };
    writeFileSync(path, JSON.stringify(written));
    if (implementation === "r-at")
      return new RunnerProcess([
        ...[process.execPath, "--import", "tsx"],
        ...[join(import.meta.dirname, "runner/rat.ts"), path],
      ]);
    const python = this.setting.python?.path ?? "python3";
    return new RunnerProcess([python, join(import.meta.dirname, "baseline/run.py"), path]);
  }

  private async gate(name: string, expected: readonly GateStep[]): Promise<Gate> {
    const tolerance = TOLERANCE[this.one.precision];
    if (!this.setting.python)
      return { passed: false, difference: null, tolerance, why: "no Python with PyTorch and transformers" };
    const runner = this.start(name);
    let gate: Gate;
    try {
      gate = gateOf(expected, (await runner.ask("gate")).steps, tolerance);
    } catch (error) {
      if (!(error instanceof RunnerError)) throw error;
      gate = { passed: false, difference: null, tolerance, why: error.message };
    }
    if (gate.passed) this.#admitted.set(name, runner);
    else runner.kill();
    return gate;
  }

  private async blocks(
    name: string,
    steps: number,
    times: Map<string, { blocks: number[]; peak: number }>,
  ): Promise<void> {
    const runner = this.#admitted.get(name) ?? this.start(name);
    this.#admitted.delete(name);
    try {
      await runner.ask("warmup", this.warmUpSeconds());
      const taken = times.get(name) ?? { blocks: [], peak: 0 };
      for (let i = 0; i < BLOCKS; i++)
        taken.blocks.push(
          (await runner.ask("block", `${WARM_BATCHES + i * steps} ${steps}`)).milliseconds / steps,
        );
      taken.peak = Math.max(taken.peak, (await runner.ask("end")).peakMemoryBytes);
      times.set(name, taken);
    } finally {
      runner.kill();
    }
  }
}

/** Whether two implementations compute the same. */
export function gateOf(expected: readonly GateStep[], actual: readonly GateStep[], tolerance: number): Gate {
  let difference = 0;
  for (const [i, step] of expected.entries())
    for (const field of ["cleanLoss", "adversarialLoss", "klLoss", "gradNorm"] as const) {
      const [a, b] = [step[field], actual[i]?.[field] ?? Number.NaN];
      // Relative to what the losses are: a divergence of nearly nothing has no digits of its own.
      const scale = field === "klLoss" ? Math.max(Math.abs(a), step.cleanLoss) : Math.abs(a);
      // Of a NaN the largest is NaN, which is within no tolerance.
      difference = Math.max(difference, a === b ? 0 : Math.abs(a - b) / scale);
    }
  return { passed: difference <= tolerance, difference, tolerance };
}

function compare(
  name: string,
  ours: readonly number[],
  theirs: { blocks: number[]; peak: number } | undefined,
  gate: Gate | undefined,
  rounds: number,
): Comparison {
  const refused = gate ?? { passed: false, difference: null, tolerance: 0 };
  if (!theirs)
    return {
      ...{ name, msPerStep: null, ratio: null, ratioInterval: null, gate: refused },
      ...{ peakMemoryBytes: null, blocks: [] },
    };
  const { ratio, interval } = ratioOf(ours, theirs.blocks, rounds);
  return {
    ...{ name, msPerStep: spreadOf(theirs.blocks), ratio, ratioInterval: interval, gate: refused },
    ...{ peakMemoryBytes: theirs.peak, blocks: theirs.blocks },
  };
}
