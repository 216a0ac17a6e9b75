/** A task's files from the hub's data sets, as a folder that `--data` takes. */
import { copyFile, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { RATError } from "../errors.js";
import { exists } from "../files/atomic-folder.js";
import { makeFolder, temporarySibling } from "../files/durable-file.js";
import { type FetchOptions, fetchRepository, hasAll } from "./fetch-repository.js";
import { DEFAULT_REVISION } from "./repository.js";

/** Where the hub has a data set. */
export interface HubDataset {
  /** `owner/name`. */
  readonly name: string;
  /** Folder of its Parquet files. */
  readonly folder: string;
  /** What its authors say about its use, in a line. */
  readonly licence: string;
}

const GLUE = (folder: string, licence: string): HubDataset => ({ name: "nyu-mll/glue", folder, licence });
const CLUE = (folder: string): HubDataset => ({
  name: "clue/clue",
  folder,
  licence: "CLUE: no licence stated; for research, see cluebenchmarks.com",
});

/** By task. */
export const HUB_DATASETS: Readonly<Record<string, HubDataset>> = {
  cola: GLUE(
    "cola",
    "CoLA: published linguistics literature under fair use, for research; nyu-mll.github.io/CoLA",
  ),
  sst2: GLUE("sst2", "SST-2: no licence stated (Socher et al., 2013); nlp.stanford.edu/sentiment"),
  mrpc: GLUE("mrpc", "MRPC: Microsoft Research shared source licence, for research"),
  stsb: GLUE("stsb", "STS-B: its parts have licences of their own, mostly CC BY-SA; ixa2.si.ehu.eus/stswiki"),
  qqp: GLUE("qqp", "QQP: Quora's terms of service, non-commercial"),
  mnli: GLUE(
    "mnli",
    "MNLI: OANC's licence, parts CC BY-SA 3.0 and CC BY 3.0; cims.nyu.edu/~sbowman/multinli",
  ),
  qnli: GLUE("qnli", "QNLI: CC BY-SA 4.0, after SQuAD"),
  rte: GLUE("rte", "RTE: no licence stated (PASCAL challenges 1 to 3 and 5), for research"),
  wnli: GLUE("wnli", "WNLI: CC BY 4.0, after the Winograd Schema Challenge"),
  imdb: {
    name: "stanfordnlp/imdb",
    folder: "plain_text",
    licence: "IMDB: no licence stated; ai.stanford.edu/~amaas/data/sentiment asks to cite Maas et al., 2011",
  },
  agnews: {
    name: "fancyzhx/ag_news",
    folder: "data",
    licence: "AG News: for non-commercial use (Zhang et al., 2015)",
  },
  tnews: CLUE("tnews"),
  iflytek: CLUE("iflytek"),
};

/**
 * Fetches a task's files into `folder`; those that are there stay.
 *
 * @returns Paths of the files.
 * @throws RATError as `fetchRepository`; `ERR_RAT_INVALID_ARG` for a task that the hub does not have.
 */
export async function fetchDataset(
  task: string,
  folder: string,
  options: FetchOptions = {},
): Promise<string[]> {
  const dataset = Object.hasOwn(HUB_DATASETS, task) ? HUB_DATASETS[task] : undefined;
  if (!dataset) {
    const known = Object.keys(HUB_DATASETS).join(", ");
    throw new RATError(
      "ERR_RAT_INVALID_ARG",
      `The hub has no ${JSON.stringify(task)} that is known here; known are ${known}`,
    );
  }
  let paths: string[] = [];
  const snapshot = await fetchRepository(
    { type: "dataset", name: dataset.name, revision: DEFAULT_REVISION },
    {
      ...options,
      folder: dataset.folder,
      // Other tasks share the repository: what is there says nothing about this one, so the hub is asked.
      isComplete: async () => false,
      choose: async (files) => {
        paths = files.map(({ path }) => path).filter((path) => path.endsWith(".parquet"));
        return paths;
      },
    },
  );
  if (paths.length === 0 || !(await hasAll(snapshot, paths))) {
    throw new RATError("ERR_RAT_PATH", `${dataset.name} has no Parquet files in ${dataset.folder}`);
  }
  await makeFolder(folder);
  const targets: string[] = [];
  for (const path of paths) {
    const target = join(folder, basename(path));
    targets.push(target);
    if (await exists(target)) continue;
    const temporary = temporarySibling(target);
    try {
      await copyFile(join(snapshot, path), temporary);
      await rename(temporary, target);
    } finally {
      await rm(temporary, { force: true });
    }
  }
  return targets;
}
