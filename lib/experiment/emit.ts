/** Job files for engines that hand out work: each runs as it is. */
import type { Cell } from "./cells.js";

export const ENGINES = ["slurm", "k8s", "snakemake", "parallel"] as const;
export type Engine = (typeof ENGINES)[number];

/** What a job file needs to know. */
export interface EmitOptions {
  /** Without `--emit`; quoted for a shell. */
  readonly command: string;
  /** Absolute. */
  readonly output: string;
  readonly cells: readonly Cell[];
}

export function emit(engine: Engine, options: EmitOptions): string {
  return EMITTERS[engine](options);
}

const EMITTERS: Readonly<Record<Engine, (options: EmitOptions) => string>> = {
  slurm: ({ command, cells, output }) =>
    [
      "#!/bin/bash",
      "#SBATCH --job-name=r-at",
      `#SBATCH --array=0-${cells.length - 1}`,
      "#SBATCH --cpus-per-task=4",
      `#SBATCH --output=${output}/slurm-%a.log`,
      `# sbatch this file; then, once, for the tables: ${command}`,
      `${command} --shard auto`,
      "",
    ].join("\n"),
  k8s: ({ command, cells }) =>
    [
      "# The image must have r-at. The folders that the command names must be volumes that all pods share.",
      "apiVersion: batch/v1",
      "kind: Job",
      "metadata:",
      "  name: r-at",
      "spec:",
      "  completionMode: Indexed",
      `  completions: ${cells.length}`,
      `  parallelism: ${Math.min(cells.length, 8)}`,
      "  template:",
      "    spec:",
      "      restartPolicy: OnFailure",
      "      containers:",
      "        - name: r-at",
      "          image: r-at:latest",
      `          command: ["/bin/sh", "-c", ${JSON.stringify(`${command} --shard auto`)}]`,
      "          env:",
      "            # Kubernetes tells a pod its index, but not of how many.",
      "            - name: RAT_SHARDS",
      `              value: "${cells.length}"`,
      "",
    ].join("\n"),
  snakemake: ({ command, cells, output }) =>
    [
      `CELLS = ${JSON.stringify(cells.map(({ hash }) => hash))}`,
      "",
      "rule all:",
      `    input: expand(${JSON.stringify(`${output}/cells/{cell}/result.json`)}, cell=CELLS)`,
      `    shell: ${JSON.stringify(command.replace(/[{}]/g, "$&$&"))}`,
      "",
      "rule cell:",
      `    output: ${JSON.stringify(`${output}/cells/{cell}/result.json`)}`,
      `    shell: ${JSON.stringify(`${command.replace(/[{}]/g, "$&$&")} --cell {wildcards.cell}`)}`,
      "",
    ].join("\n"),
  parallel: ({ command, cells }) => `${cells.map(({ hash }) => `${command} --cell ${hash}`).join("\n")}\n`,
};

/** Which part of the cells a job has: `i` of `n`, from 0. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/**
 * The part that a job of an array has, as Slurm, Kubernetes and AWS Batch tell it.
 *
 * @returns Null outside of such an array.
 */
export function shardOfEnvironment(env: Readonly<Record<string, string | undefined>>): Shard | null {
  const number = (name: string) => (env[name] === undefined || env[name] === "" ? null : Number(env[name]));
  const index =
    number("SLURM_ARRAY_TASK_ID") ?? number("JOB_COMPLETION_INDEX") ?? number("AWS_BATCH_JOB_ARRAY_INDEX");
  const count =
    number("SLURM_ARRAY_TASK_COUNT") ?? number("RAT_SHARDS") ?? number("AWS_BATCH_JOB_ARRAY_SIZE");
  if (index === null || count === null) return null;
  return { index: index - (number("SLURM_ARRAY_TASK_MIN") ?? 0), count };
}
