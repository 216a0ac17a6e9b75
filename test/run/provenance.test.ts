/** What a run says of how it came about. */
import { createHash } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { commandLine, describeProvenance } from "#dist/run/provenance.js";
import { temporaryFolder } from "../trainer/toy.js";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

it.each([
  [["/usr/bin/node", "/x/dist/cli/main.js", "train", "a b.csv"], "r-at train 'a b.csv'"],
  [["/usr/bin/node", "/x/node_modules/.bin/r-at", "train", "it's.csv"], "r-at train 'it'\\''s.csv'"],
  [["/usr/bin/node", "/x/fine-tune.js", "--epochs", "3"], "fine-tune.js --epochs 3"],
  [["/usr/bin/node", "/x/app/main.js"], "main.js"],
  [["/usr/bin/node"], "node"],
])("%j is a command", (argv, command) => {
  expect(commandLine(argv)).toBe(command);
});

it("knows files and folders by what is in them, and says null of what is gone", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "train.csv");
  const reviews = join(folder, "test");
  await writeFile(file, "text,label\n");
  await mkdir(join(reviews, "pos"), { recursive: true });
  await writeFile(join(reviews, "pos", "1.txt"), "good");
  await writeFile(join(reviews, "pos", "0.txt"), "bad");
  const gone = join(folder, "dev.csv");
  const describeAll = async () =>
    (
      await describeProvenance("2.13.0", [
        { split: "train", path: file, rows: 3 },
        { split: "dev", path: gone, rows: 2 },
        { split: "test", path: reviews, rows: 2 },
      ])
    ).data.map((each) => each.sha256);
  expect(await describeAll()).toEqual([
    sha256("text,label\n"),
    null,
    sha256(`${sha256("bad")}  pos/0.txt\n${sha256("good")}  pos/1.txt\n`),
  ]);
  const before = await describeAll();
  await rm(join(reviews, "pos", "0.txt"));
  expect((await describeAll())[2]).not.toBe(before[2]);
});
