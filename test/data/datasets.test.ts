/**
 * The real data sets, where they lie beside the repository (`../shared/data`): rows, labels and alternation as that
 * folder's README counts them. Says so and does nothing where the folder is absent.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readJsonLines } from "#dist/datasets/jsonl.js";
import { type LoadTaskOptions, loadTask } from "#dist/datasets/load-task.js";
import { readExamples } from "#dist/datasets/read-examples.js";
import type { Example } from "#dist/datasets/types.js";

const DATA = fileURLToPath(new URL("../../../shared/data", import.meta.url));
const present = existsSync(DATA);
if (!present) console.warn(`${DATA} is absent: the real data sets are not tested`);

function countLabels(examples: readonly Example[] | null): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of (examples ?? []).flatMap(({ label }) => label)) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

describe.runIf(present)("the real data sets", () => {
  it.each<[string, LoadTaskOptions, [number, number | undefined, number | undefined]]>([
    ["cola", {}, [8_551, 1_043, undefined]],
    ["sst2", {}, [67_349, 872, undefined]],
    ["mrpc", {}, [3_668, 408, 1_725]],
    ["stsb", {}, [5_749, 1_500, undefined]],
    ["qqp", { train: `${DATA}/qqp/dev_23k.tsv.gz`, dev: "none" }, [23_497, undefined, undefined]],
    ["mnli", { train: `${DATA}/mnli/dev_matched.jsonl.gz` }, [9_815, 9_815, undefined]],
    ["qnli", { train: `${DATA}/qnli/train_10k.tsv.gz` }, [10_475, 5_463, undefined]],
    ["rte", {}, [2_490, 277, undefined]],
    ["wnli", {}, [635, 71, undefined]],
    ["imdb", { dev: "none" }, [24_996, undefined, 24_996]],
    ["imdb", { split: "paper" }, [19_996, 5_000, 24_996]],
    ["agnews", { train: `${DATA}/agnews/train_head10k.csv.gz`, dev: "none" }, [10_429, undefined, 7_600]],
    [
      "agnews",
      { train: `${DATA}/agnews/train_sample10k_desc.csv.gz`, dev: "none" },
      [9_991, undefined, 7_600],
    ],
    ["tnews", { dev: "none" }, [53_360, undefined, 10_000]],
    ["tnews", { split: "paper" }, [53_360, 10_000, 10_000]],
    ["iflytek", { train: `${DATA}/iflytek/train_subset.json.gz`, dev: "none" }, [4_640, undefined, 2_599]],
  ])("%s with %o has the rows that the README counts", async (name, options, rows) => {
    const task = await loadTask(name, { data: DATA, ...options });
    expect([task.train.length, task.dev?.length, task.test?.length]).toEqual(rows);
  });

  it("has the classes that the README counts", async () => {
    const cola = await loadTask("cola", { data: DATA });
    expect(countLabels(cola.train)).toEqual({ acceptable: 6_023, unacceptable: 8_551 - 6_023 });
    expect(countLabels(cola.dev)).toEqual({ acceptable: 721, unacceptable: 1_043 - 721 });
    const train = `${DATA}/agnews/train_head10k.csv.gz`;
    const agnews = await loadTask("agnews", { data: DATA, train, dev: "none" });
    expect(countLabels(agnews.train)).toEqual({
      World: 2_630,
      Sports: 2_452,
      Business: 2_594,
      "Sci/Tech": 2_753,
    });
    expect(countLabels(agnews.test)).toEqual({
      World: 1_900,
      Sports: 1_900,
      Business: 1_900,
      "Sci/Tech": 1_900,
    });
  });

  it("has the labels of TNEWS and IFLYTEK as their labels.json lists them", async () => {
    const train = `${DATA}/iflytek/train_subset.json.gz`;
    const iflytek = await loadTask("iflytek", { data: DATA, train, dev: "none" });
    const tnews = await loadTask("tnews", { data: DATA, dev: "none" });
    for (const task of [tnews, iflytek]) {
      const listed: unknown[] = [];
      for await (const {
        value: { label },
      } of readJsonLines(`${DATA}/${task.name}/labels.json`))
        listed.push(label);
      expect(task.labels).toEqual(listed);
      expect(new Set(Object.keys(countLabels(task.train)))).toEqual(new Set(listed));
    }
  });

  it("holds out a stratified tenth of TNEWS, the same for any other option", async () => {
    const whole = await loadTask("tnews", { data: `${DATA}/tnews` });
    const some = await loadTask("tnews", { data: DATA, limitTrain: 100 });
    expect(some.dev).toEqual(whole.dev);
    expect(some.train).toEqual(whole.train.slice(0, 100));
    const [train, dev] = [countLabels(whole.train), countLabels(whole.dev)];
    for (const label of whole.labels) {
      const [rest, held] = [train[label] ?? 0, dev[label] ?? 0];
      expect(Math.abs(held - (rest + held) / 10)).toBeLessThanOrEqual(0.5);
    }
  });

  it("has balanced heads of IMDB: its rows alternate", async () => {
    const { train } = await loadTask("imdb", { data: DATA, dev: "none" });
    for (let i = 0; i < train.length; i += 2) expect(train[i]?.label).not.toBe(train[i + 1]?.label);
  });

  it("reads the unlabelled test files", async () => {
    const files = [
      ["cola", "cola/test.tsv", 1_063],
      ["stsb", "stsb/test.tsv", 1_379],
      ["mrpc", "mrpc/test.tsv", 1_725],
      ["rte", "rte/test.tsv", 3_000],
      ["wnli", "wnli/test.tsv", 146],
      ["tnews", "tnews/test1.0.json.gz", 10_000],
    ] as const;
    for (const [task, file, rows] of files) {
      const examples = await readExamples(`${DATA}/${file}`, { task });
      expect(examples).toHaveLength(rows);
      expect(examples.every(({ label }) => label === undefined)).toBe(true);
    }
  });

  it("names the training files that are there where the official one is not", async () => {
    await expect(loadTask("agnews", { data: DATA })).rejects.toMatchObject({
      code: "ERR_RAT_PATH",
      message: expect.stringMatching(/train\.csv, train\.csv\.gz.*train_head10k\.csv\.gz/) as string,
    });
  });

  it("lets the event loop turn while it loads IMDB", async () => {
    let [last, largest] = [performance.now(), 0];
    const timer = setInterval(() => {
      const now = performance.now();
      largest = Math.max(largest, now - last);
      last = now;
    }, 2);
    await loadTask("imdb", { data: DATA });
    clearInterval(timer);
    expect(largest).toBeLessThan(200); // 40 ms on an idle machine; blocking would take more than a second.
  });
});
