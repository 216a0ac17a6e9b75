import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type LoadTaskOptions, loadTask } from "#dist/datasets/load-task.js";
import type { LoadedTask } from "#dist/datasets/types.js";
import { type Files, failure, failureAt, folderOf } from "./temp-files.js";

/** Loads a task whose files are these, in a folder of its own. */
async function load(name: string, files: Files, options: LoadTaskOptions = {}): Promise<LoadedTask> {
  return loadTask(name, { data: await folderOf(files), ...options });
}

function texts(examples: LoadedTask["dev"]): string[] | undefined {
  return examples?.map(({ text }) => text);
}

/** Rows `text,label` with the classes in turn. */
function csvRows(count: number, labels: readonly string[], prefix = "t"): string {
  const rows = Array.from({ length: count }, (_, i) => `${prefix}${i},${labels[i % labels.length]}`);
  return `text,label\n${rows.join("\n")}\n`;
}

describe("imdb", () => {
  const reviews: Files = {
    "train/pos/0_9.txt": "p0",
    "train/pos/2_7.txt": "p2",
    "train/pos/10_10.txt": "p10 \n",
    "train/neg/0_1.txt": "n0",
    "train/neg/1_4.txt": "n1",
    "train/unsup/0_0.txt": "not read",
    "train/labeledBow.feat": "not read",
    "test/pos/0_8.txt": "tp",
    "test/neg/0_2.txt": "tn",
  };

  it("reads the published folder by id, positive and negative in turn", async () => {
    const task = await load("imdb", reviews, { dev: "none" });
    expect(task).toMatchObject({ name: "imdb", kind: "classification", labels: ["negative", "positive"] });
    expect(task.metrics[0]).toBe("accuracy");
    expect(texts(task.train)).toEqual(["p0", "n0", "p2", "n1", "p10 \n"]);
    expect(task.train.map(({ label }) => label)).toEqual([
      "positive",
      "negative",
      "positive",
      "negative",
      "positive",
    ]);
    expect(texts(task.test)).toEqual(["tp", "tn"]);
    expect(task.dev).toBeNull();
  });

  it.each(["aclImdb", "imdb", "imdb/aclImdb"])("finds the folder one above, as %s", async (name) => {
    const below = Object.fromEntries(
      Object.entries(reviews).map(([file, text]) => [`${name}/${file}`, text]),
    );
    expect((await load("imdb", below)).train.length).toBeGreaterThan(0);
  });

  it("takes a folder with the option train", async () => {
    const folder = await folderOf(reviews);
    const task = await loadTask("imdb", { train: join(folder, "train"), dev: "none" });
    expect(task.train).toHaveLength(5);
    expect(task.test).toBeNull();
  });

  it("reads more files than are open at once, in order", async () => {
    const files: Record<string, string> = { "train/neg/0_1.txt": "n", "test/pos/0_9.txt": "" };
    files["test/neg/0_1.txt"] = "";
    for (let id = 0; id < 100; id++) files[`train/pos/${id}_9.txt`] = `p${id}`;
    const { train } = await load("imdb", files, { dev: "none" });
    expect(texts(train)?.filter((text) => text !== "n")).toEqual(
      Array.from({ length: 100 }, (_, id) => `p${id}`),
    );
  });

  it.each([
    ["text,label,id", "a,0,0_1\nb,1,0_9"],
    ["review,sentiment", "a,negative\nb,positive"],
    ["id,Label,Text", "1,neg,a\n2,pos,b"],
  ])("reads CSV with the header %s, plain or gzip", async (header, rows) => {
    const csv = `${header}\n${rows}\n`;
    const task = await load("imdb", { "train.csv": csv, "test.csv.gz": gzipSync(csv) }, { dev: "none" });
    expect(task.train).toEqual([
      { text: "a", label: "negative" },
      { text: "b", label: "positive" },
    ]);
    expect(task.test).toEqual(task.train);
  });

  it("bad call - a file in the folder that is not named as a review", async () => {
    const work = load("imdb", { ...reviews, "train/pos/notes.txt": "x" });
    await failure(work, "ERR_RAT_DATA_FORMAT", "notes.txt", "<id>_<rating>.txt");
  });

  it("bad call - a review that is not UTF-8", async () => {
    const bytes = Buffer.from("fine\n\xff", "latin1");
    await failure(
      load("imdb", { ...reviews, "train/neg/1_4.txt": bytes }),
      "ERR_RAT_DATA_ENCODING",
      "1_4.txt:2",
    );
  });

  it("bad call - a folder without one of the classes", async () => {
    const work = load("imdb", { "train/pos/0_9.txt": "p", "test/pos/0_9.txt": "p" });
    await failure(work, "ERR_RAT_PATH", join("train", "neg"));
  });

  it("bad call - a header without a text column", async () => {
    const work = load("imdb", { "train.csv": "body,label\na,0\n", "test.csv": "" });
    await failure(work, "ERR_RAT_DATA_FORMAT", "train.csv:1", '"text" or "review"', '"body"');
  });

  it("bad call - a header without a label column", async () => {
    const work = load("imdb", { "train.csv": "text,stars\na,0\n", "test.csv": "" });
    await failure(work, "ERR_RAT_DATA_FORMAT", "train.csv:1", '"label" or "sentiment"', '"stars"');
  });
});

describe("agnews", () => {
  it("joins title and description by a blank and trims them; an empty text is a text", async () => {
    const csv = '"3","Title","Some, text "\n"4",""," only this"\n"1","",""\n"2","A","B"\n';
    const task = await load("agnews", { "train.csv": csv, "test.csv": csv }, { dev: "none" });
    expect(task.labels).toEqual(["World", "Sports", "Business", "Sci/Tech"]);
    expect(task.train).toEqual([
      { text: "Title Some, text", label: "Business" },
      { text: "only this", label: "Sci/Tech" },
      { text: "", label: "World" },
      { text: "A B", label: "Sports" },
    ]);
  });

  it("bad call - only a training file of another name: the error names it, and what was looked for", async () => {
    const files = { "agnews/test.csv.gz": gzipSync("1,a,b\n"), "agnews/train_head10k.csv.gz": "" };
    const error = await failure(
      load("agnews", files),
      "ERR_RAT_PATH",
      "train.csv, train.csv.gz",
      "train_head10k.csv.gz",
      "name a file with `train`",
    );
    expect(error.details).toMatchObject({ looked: ["train.csv", "train.csv.gz"] });
  });

  it("bad call - a class that is none of the four", async () => {
    const work = load("agnews", { "train.csv": "1,a,b\n5,c,d\n", "test.csv": "1,a,b\n" });
    await failure(work, "ERR_RAT_LABEL", "train.csv:2", '"5"', '"World"');
  });

  it("bad call - a row without a class", async () => {
    const work = load("agnews", { "train.csv": '"1","a","b"\n"","c","d"\n', "test.csv": "1,a,b\n" });
    await failure(work, "ERR_RAT_LABEL", "train.csv:2", "no label");
  });

  it("bad call - no test file", async () => {
    const work = load("agnews", { "train.csv": "1,a,b\n" });
    await failure(work, "ERR_RAT_PATH", "test.csv, test.csv.gz", '`test` "none"');
  });

  it("bad call - JSON lines without labels", async () => {
    const folder = await folderOf({ "a.jsonl": '{"text": "a"}\n' });
    await failure(loadTask("agnews", { train: join(folder, "a.jsonl") }), "ERR_RAT_LABEL", "a.jsonl:1");
  });
});

describe("tnews and iflytek", () => {
  const lines = (count: number, prefix: string) =>
    Array.from({ length: count }, (_, i) =>
      JSON.stringify({ label: i % 2 === 0 ? "100" : 116, label_desc: "x", sentence: `${prefix}${i}` }),
    ).join("\n");
  const files = {
    "tnews/train.json.gz": gzipSync(lines(40, "t")),
    "tnews/dev.json": lines(6, "d"),
    "tnews/test.json": '{"id": 0, "sentence": "x"}\n',
  };

  it("has codes as labels, the official dev set as test, and dev held out of train", async () => {
    const task = await load("tnews", files);
    expect(task.labels).toHaveLength(15);
    expect(task.labels.slice(0, 6)).toEqual(["100", "101", "102", "103", "104", "106"]);
    expect([task.train.length, task.dev?.length]).toEqual([36, 4]);
    expect(texts(task.test)).toEqual(["d0", "d1", "d2", "d3", "d4", "d5"]);
    expect(task.test?.[1]?.label).toBe("116");
  });

  it("trains on the whole of train under the paper's split, with the official dev set twice", async () => {
    const task = await load("tnews", files, { split: "paper" });
    expect(task.train).toHaveLength(40);
    expect(texts(task.dev)).toEqual(["d0", "d1", "d2", "d3", "d4", "d5"]);
    expect(task.test).toEqual(task.dev);
  });

  it("has 119 classes for iflytek", async () => {
    const row = '{"label": 118, "sentence": "a"}\n'.repeat(2);
    const { labels } = await load("iflytek", { "train.json": row, "dev.json": row });
    expect([labels[0], labels[9], labels.at(-1), labels.length]).toEqual(["0", "9", "118", 119]);
  });

  it.each([
    ["a code that does not exist", '{"label": "105", "sentence": "a"}', "ERR_RAT_LABEL", "(15 in all)"],
    ["no label", '{"sentence": "a"}', "ERR_RAT_LABEL", "no label"],
    ["a list as label", '{"label": ["100"], "sentence": "a"}', "ERR_RAT_DATA_FORMAT", '["100"]'],
    ["no sentence", '{"label": "100", "text": "a"}', "ERR_RAT_DATA_FORMAT", '"sentence"'],
    ["a number as sentence", '{"label": "100", "sentence": 5}', "ERR_RAT_DATA_FORMAT", "5"],
  ] as const)("bad call - %s", async (_, row, code, part) => {
    const folder = await folderOf({
      "train.json": `{"label": "100", "sentence": "a"}\n${row}\n`,
      "dev.json": row,
    });
    await failureAt(loadTask("tnews", { data: folder }), code, join(folder, "train.json"), 2, part);
  });
});

describe("cola and stsb", () => {
  it("reads CoLA without a header; its test labels are not public", async () => {
    const row = 'gj04\t1\t\tOur "friends" agree.\ngj04\t0\t*\tthem agree \n';
    const task = await load("cola", {
      "CoLA/train.tsv": row,
      "CoLA/dev.tsv": row,
      "CoLA/test.tsv": "index\tsentence\n",
    });
    expect(task).toMatchObject({ metrics: ["matthews", "accuracy"], test: null });
    expect(task.dev).toEqual([
      { text: 'Our "friends" agree.', label: "acceptable" },
      { text: "them agree ", label: "unacceptable" },
    ]);
  });

  const header = "index\tgenre\tsentence1\tsentence2\tscore\n";

  it("reads STS-B as pairs with scores", async () => {
    const tsv = `${header}0\tx\ta\tb\t5.000\n1\tx\tc\td\t2.5\n`;
    const task = await load("stsb", { "train.tsv": tsv, "dev.tsv": tsv });
    expect(task).toMatchObject({
      kind: "regression",
      labels: [],
      metrics: ["pearson", "spearman"],
      test: null,
    });
    expect(task.train).toEqual([
      { text: "a", pair: "b", label: 5 },
      { text: "c", pair: "d", label: 2.5 },
    ]);
  });

  it.each(["high", "NaN", "Infinity", " "])("bad call - %j in place of a score", async (score) => {
    const folder = await folderOf({ "train.tsv": `${header}0\tx\ta\tb\t${score}\n`, "dev.tsv": header });
    const work = loadTask("stsb", { data: folder });
    await failureAt(work, "ERR_RAT_LABEL", join(folder, "train.tsv"), 2, "finite number");
  });

  it("bad call - no dev file", async () => {
    const work = load("stsb", { "train.tsv": `${header}0\tx\ta\tb\t1\n` });
    await failure(work, "ERR_RAT_PATH", "dev.tsv, dev.tsv.gz", '`dev` "none"');
  });

  it("bad call - rows of another number of columns than CoLA has", async () => {
    const work = load("cola", { "train.tsv": "gj04\t1\tsentence\n", "dev.tsv": "" });
    await failure(work, "ERR_RAT_DATA_FORMAT", "train.tsv:1", "4 columns without a header");
  });
});

describe("custom", () => {
  it("finds labels in the training data: in numeric order if all are whole numbers", async () => {
    const numbers = await load("custom", { "train.csv": csvRows(30, ["10", "9", "-1"]) });
    expect(numbers.labels).toEqual(["-1", "9", "10"]);
    const names = await load("custom", { "train.csv": csvRows(30, ["b", "10", "a"]) });
    expect(names.labels).toEqual(["10", "a", "b"]);
    expect(names).toMatchObject({ kind: "classification", metrics: ["accuracy", "f1"], test: null });
  });

  it("takes train, dev and test of any suffix out of its folder", async () => {
    const task = await load("custom", {
      "train.csv": "label,text\nx,a\ny,b\n",
      "dev.tsv.gz": gzipSync("text\tlabel\nc\tx\n"),
      "test.jsonl": '{"text": "d", "label": "y"}\n',
    });
    expect(task).toMatchObject({
      train: [
        { text: "a", label: "x" },
        { text: "b", label: "y" },
      ],
      dev: [{ text: "c", label: "x" }],
      test: [{ text: "d", label: "y" }],
    });
  });

  it("takes columns by name, with pairs and labels in a given order", async () => {
    const csv = "premise,hypothesis,verdict\na,b,yes\nc,d,no\n";
    const task = await load(
      "custom",
      { "train.csv": csv },
      {
        textColumn: "premise",
        pairColumn: "hypothesis",
        labelColumn: "verdict",
        labels: ["yes", "no", "maybe"],
        dev: "none",
      },
    );
    expect(task.labels).toEqual(["yes", "no", "maybe"]);
    expect(task.train[1]).toEqual({ text: "c", pair: "d", label: "no" });
  });

  it("takes columns by index in a file without a header", async () => {
    const options = {
      textColumn: "2",
      pairColumn: "0",
      labelColumn: "1",
      kind: "regression",
      dev: "none",
    } as const;
    const task = await load("custom", { "train.tsv": "a\t1.5\tb\nc\t-2\td\n" }, options);
    expect(task.train).toEqual([
      { text: "b", pair: "a", label: 1.5 },
      { text: "d", pair: "c", label: -2 },
    ]);
    expect(task).toMatchObject({ kind: "regression", labels: [], metrics: ["pearson", "spearman"] });
  });

  it.each([
    ["a name and an index", { textColumn: "text", labelColumn: "1" }, "all names"],
    ["an index of the label alone", { labelColumn: "1" }, "the text column included"],
    ["the same index twice", { textColumn: "1", labelColumn: "01" }, "must differ"],
    ["an empty column", { textColumn: "" }, "a name or an index"],
    ["labels for a regression", { kind: "regression", labels: ["a", "b"] }, "no labels"],
    ["one label", { labels: ["a"] }, "at least two"],
    ["a label twice", { labels: ["a", "b", "a"] }, "different labels"],
    ["an unknown kind", { kind: "ranking" }, '"ranking"'],
    ["the paper's split", { split: "paper" }, "no split of custom"],
  ])("bad call - %s", async (_, options, part) => {
    const files = { "train.csv": csvRows(10, ["a", "b"]) };
    await failure(load("custom", files, options as LoadTaskOptions), "ERR_RAT_INVALID_ARG", part);
  });

  it.each([
    ["a column that is not there", { textColumn: "body" }, 1, '"body"'],
    ["a label column that is not there", { labelColumn: "class" }, 1, '"class"'],
    ["an index beyond the columns", { textColumn: "0", labelColumn: "2" }, 1, "at least 3 columns"],
  ])("bad call - %s", async (_, options, line, part) => {
    const folder = await folderOf({ "train.csv": csvRows(10, ["a", "b"]) });
    const work = loadTask("custom", { data: folder, ...options });
    await failureAt(work, "ERR_RAT_DATA_FORMAT", join(folder, "train.csv"), line, part);
  });

  it("bad call - a label of the dev file that training does not have", async () => {
    const folder = await folderOf({
      "train.csv": csvRows(4, ["a", "b"]),
      "dev.csv": "text,label\nx,a\ny,c\n",
    });
    const work = loadTask("custom", { data: folder });
    await failureAt(work, "ERR_RAT_LABEL", join(folder, "dev.csv"), 3, '"c"', '"a", "b"');
  });

  it("bad call - the same label in every row", async () => {
    await failure(load("custom", { "train.csv": csvRows(4, ["a"]) }), "ERR_RAT_LABEL", '"a"', "at least two");
  });

  it("bad call - a suffix that names no format", async () => {
    const folder = await folderOf({ "rows.xlsx": "" });
    const work = loadTask("custom", { train: join(folder, "rows.xlsx") });
    await failure(work, "ERR_RAT_INVALID_ARG", "rows.xlsx", ".csv");
  });

  it.each([
    ["no rows under the header", "text,label\n"],
    ["nothing at all", ""],
  ])("bad call - a file with %s", async (_, content) => {
    await failure(load("custom", { "train.csv": content }), "ERR_RAT_DATA_FORMAT", "train.csv:1", "no rows");
  });
});

describe("splits", () => {
  const files = {
    "train.csv": csvRows(1_000, ["0", "1"]),
    "test.csv": csvRows(20, ["0", "1"], "test"),
  };

  it("holds out the same stratified tenth every time, in the order of the file", async () => {
    const [one, two] = [await load("imdb", files), await load("imdb", files)];
    expect(two).toEqual(one);
    expect([one.train.length, one.dev?.length]).toEqual([900, 100]);
    expect(one.dev?.filter(({ label }) => label === "positive")).toHaveLength(50);
    const row = (text: string) => Number(text.slice(1));
    for (const rows of [texts(one.train), texts(one.dev)]) {
      expect(rows).toEqual([...(rows ?? [])].sort((a, b) => row(a) - row(b)));
    }
    expect(new Set([...one.train, ...(one.dev ?? [])].map(({ text }) => text)).size).toBe(1_000);
  });

  it("holds out a fifth of IMDB and a twelfth of AG News under the paper's split", async () => {
    expect((await load("imdb", files, { split: "paper" })).dev).toHaveLength(200);
    const rows = Array.from({ length: 240 }, (_, i) => `${(i % 4) + 1},a,b${i}`).join("\n");
    const news = await load("agnews", { "train.csv": rows, "test.csv": rows }, { split: "paper" });
    expect([news.train.length, news.dev?.length]).toEqual([220, 20]);
  });

  it("limits train after dev rows are held out, and test, to the first rows", async () => {
    const whole = await load("imdb", files);
    const some = await load("imdb", files, { limitTrain: 7, limitTest: 3 });
    expect(some.train).toEqual(whole.train.slice(0, 7));
    expect(some.dev).toEqual(whole.dev);
    const few = await load("imdb", files, { limitDev: 2 });
    expect(few).toMatchObject({ train: whole.train, dev: whole.dev?.slice(0, 2), test: whole.test });
    expect(texts(some.test)).toEqual(["test0", "test1", "test2"]);
  });

  it("takes files in place of the task's own; none leaves a split out", async () => {
    const folder = await folderOf({ ...files, "other.csv": "text,label\nx,0\n" });
    const other = join(folder, "other.csv");
    const task = await loadTask("imdb", { data: folder, dev: other, test: "none" });
    expect(task.train).toHaveLength(1_000);
    expect([texts(task.dev), task.test]).toEqual([["x"], null]);
    const replaced = await loadTask("imdb", { data: folder, train: join(folder, "test.csv"), test: other });
    expect([replaced.train.length, replaced.dev?.length, texts(replaced.test)]).toEqual([18, 2, ["x"]]);
  });

  it("holds dev out of a training file that is given alone", async () => {
    const row = "gj04\t1\t\ta\n".repeat(20);
    const folder = await folderOf({ "my.tsv": row });
    const task = await loadTask("cola", { train: join(folder, "my.tsv") });
    expect([task.train.length, task.dev?.length, task.test]).toEqual([18, 2, null]);
  });

  it.each([
    [
      "an unknown task",
      "sst3",
      {},
      "cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, imdb, agnews, tnews, iflytek, custom",
    ],
    ["no files at all", "imdb", {}, "data"],
    ["an unknown split", "imdb", { data: ".", split: "random" }, '"random"'],
    ["a limit of zero", "imdb", { data: ".", limitTrain: 0 }, "limitTrain"],
    ["a negative limit", "imdb", { data: ".", limitDev: -1 }, "limitDev"],
    ["a fractional limit", "imdb", { data: ".", limitTest: 1.5 }, "limitTest"],
    ["an empty path", "imdb", { data: "" }, "data"],
    ["column options of a task with a fixed format", "imdb", { data: ".", textColumn: "x" }, "textColumn"],
    ["labels of a task with fixed labels", "imdb", { data: ".", labels: ["a", "b"] }, "labels"],
  ])("bad call - %s", async (_, name, options, part) => {
    await failure(loadTask(name, options as LoadTaskOptions), "ERR_RAT_INVALID_ARG", part);
  });

  it("bad call - a folder that does not exist", async () => {
    await failure(
      loadTask("imdb", { data: "/nowhere/imdb" }),
      "ERR_RAT_PATH",
      "/nowhere/imdb does not exist",
    );
  });

  it("bad call - a file where a folder is expected", async () => {
    const path = join(await folderOf(files), "train.csv");
    await failure(loadTask("imdb", { data: path }), "ERR_RAT_PATH", "not a folder", "train");
  });

  it("bad call - an override that does not exist", async () => {
    await failure(load("imdb", files, { test: "/nowhere/x.csv" }), "ERR_RAT_PATH", "/nowhere/x.csv");
  });

  it("bad call - too few rows to hold out a dev set", async () => {
    const work = load("custom", { "train.csv": csvRows(2, ["a", "b"]) });
    await failure(work, "ERR_RAT_DATA_FORMAT", "train.csv", '`dev` "none"');
  });

  it("bad call - too few rows to hold out a test set", async () => {
    const options = { dev: "none", testShare: 0.1 } as const;
    const work = load("custom", { "train.csv": csvRows(2, ["a", "b"]) }, options);
    await failure(work, "ERR_RAT_DATA_FORMAT", "train.csv", "testShare");
  });

  it("bad call - aborted before and while reading", async () => {
    await failure(load("imdb", files, { signal: AbortSignal.abort() }), "ERR_RAT_ABORTED");
    const data = await folderOf({ "train.csv": csvRows(200_000, ["0", "1"]), "test.csv": "" });
    await failure(loadTask("imdb", { data, signal: AbortSignal.timeout(20) }), "ERR_RAT_ABORTED");
  });
});
