/** Finds a task's files: in the folder that was given or in the task's folder below it, plain or `.gz`. */
import type { Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { RATError } from "../errors.js";
import { nameSome, pathError } from "./data-error.js";
import { HELD_OUT, hubFiles, type SplitPlan, type TaskDefinition } from "./definition.js";

/** Where the files are, as the user says it. */
export interface FileOptions {
  /** The task's folder, or the one above it. */
  readonly data?: string | undefined;
  /** File (or folder, where the task comes as one) to train on instead of the task's own. */
  readonly train?: string | undefined;
  /** Dev file instead of the task's own; `none`: no dev set, and nothing held out. */
  readonly dev?: string | undefined;
  /** Test file instead of the task's own; `none`: no test set. */
  readonly test?: string | undefined;
}

/** Training rows that are dev: a share to hold out, or those that a file lists by their ids. */
export type DevOfTrain = { readonly share: number } | { readonly ids: string };

/** Where each split comes from. */
export interface SplitSources {
  readonly train: string;
  /** A path, a part of the training rows, or none. */
  readonly dev: string | DevOfTrain | null;
  readonly mismatched: string | null;
  readonly test: string | null;
}

/**
 * Where the splits of a task come from. Without `data`, dev is held out of `train` and there is no test set, unless
 * their files are given.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` if neither a folder nor a training file is given; `ERR_RAT_PATH` for a file that
 * is missing, with everything that was looked for.
 */
export async function locateSplits(
  task: TaskDefinition,
  plan: SplitPlan,
  { data, train, dev, test }: FileOptions,
): Promise<SplitSources> {
  if (data === undefined) {
    if (train === undefined) {
      throw new RATError(
        "ERR_RAT_INVALID_ARG",
        `Where are the files of ${task.name}? Give their folder (\`data\`) or a training file (\`train\`)`,
      );
    }
    return {
      train,
      dev: dev === "none" ? null : (dev ?? { share: plan.dev.heldOut ?? HELD_OUT }),
      mismatched: null,
      test: test === undefined || test === "none" ? null : test,
    };
  }
  const folder = await TaskFolder.open(task, plan, data);
  return {
    train: train ?? (await folder.require("train", { files: plan.train, hub: "train" })),
    dev: dev === "none" ? null : (dev ?? (await folder.findDev(plan))),
    mismatched: dev === "none" || !plan.mismatched ? null : await folder.find(plan.mismatched),
    test: test === "none" ? null : (test ?? (await folder.findTest(plan))),
  };
}

/**
 * The file of a split that has one of its own; null where its rows come out of the training file, or it has none. The
 * training file need not be there.
 */
export async function locateSplit(
  task: TaskDefinition,
  plan: SplitPlan,
  { data, ...files }: FileOptions,
  split: "dev" | "dev-mismatched" | "test",
): Promise<string | null> {
  const given = split === "dev-mismatched" ? undefined : files[split];
  if (given !== undefined) return given === "none" ? null : given;
  if (data === undefined) return null;
  const folder = await TaskFolder.open(task, plan, data);
  const wanted = { dev: plan.dev, "dev-mismatched": plan.mismatched ?? null, test: plan.test }[split];
  return wanted === null ? null : folder.find(wanted);
}

/**
 * A file by one of its official names or as the hub serves the split, in `data`, the task's folder below it, or the one
 * above; null if there is none.
 */
export async function findSplitFile(
  { folders }: TaskDefinition,
  data: string,
  split: SplitFiles,
): Promise<string | null> {
  for (const place of [data, ...folders.map((folder) => join(data, folder)), dirname(resolve(data))]) {
    const found = await findFile(place, namesOf(split));
    if (found !== null) return found;
  }
  return null;
}

type SplitName = "train" | "dev" | "test";

/** Official names of a split's files, and what the hub calls the split. */
export interface SplitFiles {
  readonly files: readonly string[];
  readonly hub?: string;
}

const namesOf = ({ files, hub }: SplitFiles): readonly string[] => [...files, ...hubFiles(hub)];

/** The folder that holds a task's files. */
class TaskFolder {
  readonly #task: TaskDefinition;
  /** Every place where the folder may be. */
  readonly #places: readonly string[];
  /** The place that holds any of the task's files, else the one that was given. */
  readonly #path: string;

  private constructor(task: TaskDefinition, places: readonly string[], path: string) {
    this.#task = task;
    this.#places = places;
    this.#path = path;
  }

  static async open(task: TaskDefinition, plan: SplitPlan, data: string): Promise<TaskFolder> {
    const stats = await stat(data).catch((error: unknown) => {
      throw pathError(error, data);
    });
    if (!stats.isDirectory()) {
      throw new RATError("ERR_RAT_PATH", `${data} is not a folder; name a single file with \`train\``, {
        details: { file: data },
      });
    }
    const places = [data, ...task.folders.map((folder) => join(data, folder))];
    const splits = [{ files: plan.train, hub: "train" }, plan.dev, ...(plan.test ? [plan.test] : [])];
    const names = splits.flatMap(namesOf);
    for (const place of places) {
      if (await findFile(place, names)) return new TaskFolder(task, places, place);
    }
    return new TaskFolder(task, places, data);
  }

  find(split: SplitFiles): Promise<string | null> {
    return findFile(this.#path, namesOf(split));
  }

  async findDev({ dev }: SplitPlan): Promise<string | DevOfTrain> {
    const ids = dev.ids === undefined ? null : await findFile(this.#path, [dev.ids]);
    const found = await this.find(dev);
    if (found !== null) return found;
    if (ids !== null) return { ids };
    return dev.heldOut === undefined ? this.require("dev", dev) : { share: dev.heldOut };
  }

  async findTest({ test }: SplitPlan): Promise<string | null> {
    if (test === null) return null;
    return test.required ? this.require("test", test) : this.find(test);
  }

  async require(split: SplitName, wanted: SplitFiles): Promise<string> {
    const found = await this.find(wanted);
    if (found) return found;
    const looked = wanted.files.flatMap(withGzip);
    const alike = await this.#filesLike(split);
    const remedy = [
      `name a file with \`${split}\``,
      ...(split === "train" ? [] : [`go without with \`${split}\` "none"`]),
    ].join(", or ");
    throw new RATError(
      "ERR_RAT_PATH",
      `No ${split} file of ${this.#task.name}: looked for ${looked.join(", ")}${wanted.hub ? ` (or, as the hub has it, ${wanted.hub}-*.parquet or ${wanted.hub}.jsonl)` : ""} in ${this.#searched().join(", ")}. ` +
        `${alike.length > 0 ? `There are ${nameSome(alike)}: ` : "Mend the folder, "}${remedy}`,
      { details: { file: this.#path, looked } },
    );
  }

  /** If the task's folder was found, only it was searched. */
  #searched(): readonly string[] {
    return this.#path === this.#places[0] ? this.#places : [this.#path];
  }

  /** Data files whose name has the split's name in it, relative to the folder that was given. */
  async #filesLike(split: SplitName): Promise<string[]> {
    const found: string[] = [];
    for (const place of this.#searched()) {
      const entries = await readdir(place).catch(() => []);
      for (const name of entries.sort()) {
        if (name.includes(split) && /\.(csv|tsv|jsonl?|ndjson|txt|parquet)(\.gz)?$/.test(name))
          found.push(relative(this.#places[0] ?? place, join(place, name)));
      }
    }
    return found;
  }
}

function withGzip(name: string): string[] {
  return name.endsWith("/") || name.endsWith(".parquet") ? [name] : [name, `${name}.gz`];
}

/**
 * The first of the names that exists, as a path; a name that ends in `/` must be a folder, any other a file. Of shards
 * (`*`) the first one stands for all.
 */
async function findFile(folder: string, names: readonly string[]): Promise<string | null> {
  for (const name of names.flatMap(withGzip)) {
    const path = name.includes("*") ? await findShards(join(folder, name)) : join(folder, name);
    const stats: Stats | null = path === null ? null : await stat(path).catch(() => null);
    if (path !== null && stats && stats.isDirectory() === name.endsWith("/")) return path;
  }
  return null;
}

/** @param pattern - A path with `*` in the place of `00000-of-<count>`. */
async function findShards(pattern: string): Promise<string | null> {
  const [before = "", after = ""] = basename(pattern).split("*");
  const names = await readdir(dirname(pattern)).catch(() => []);
  const first = names.sort().find((name) => name.startsWith(`${before}00000-of-`) && name.endsWith(after));
  return first === undefined ? null : join(dirname(pattern), first);
}
