import { readdir, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readBlocks, readLines } from "#dist/datasets/text-file.js";
import { all, failure, failureAt, fileOf } from "./temp-files.js";

async function openFiles(): Promise<number> {
  return (await readdir("/dev/fd")).length;
}

async function texts(path: string): Promise<string[]> {
  return (await all(readLines(path))).map(({ text }) => text);
}

describe("readLines", () => {
  it("ends lines at LF and CRLF, and takes a lone CR and NUL as data", async () => {
    const path = await fileOf("a.txt", "one\r\ntwo\nth\rree\0\n\nlast");
    expect(await all(readLines(path))).toEqual([
      { text: "one", line: 1 },
      { text: "two", line: 2 },
      { text: "th\rree\0", line: 3 },
      { text: "", line: 4 },
      { text: "last", line: 5 },
    ]);
  });

  it("skips a byte-order mark at the start, and only there", async () => {
    expect(await texts(await fileOf("a.txt", "\ufeffone\n\ufefftwo\n"))).toEqual(["one", "\ufefftwo"]);
    expect(await texts(await fileOf("b.txt", "\ufeff"))).toEqual([]);
  });

  it("reads nothing from an empty file", async () => {
    expect(await texts(await fileOf("a.txt", ""))).toEqual([]);
  });

  it("knows gzip by its content, whatever the name, and reads several members", async () => {
    const bytes = Buffer.concat([gzipSync("\ufeffone\r\n"), gzipSync("two\n")]);
    expect(await texts(await fileOf("a.txt.gz", bytes))).toEqual(["one", "two"]);
    expect(await texts(await fileOf("a.txt", bytes))).toEqual(["one", "two"]);
  });

  it("joins lines and characters that chunks cut, plain and gzip", async () => {
    const lines = Array.from({ length: 3_000 }, (_, i) => `${i} ${"漢字🙂é".repeat(i % 97)}`);
    lines[1_500] = "ä".repeat(200_000);
    const content = lines.join("\n");
    expect(await texts(await fileOf("a.txt", content))).toEqual(lines);
    expect(await texts(await fileOf("a.txt.gz", gzipSync(content)))).toEqual(lines);
  });

  it("lets the event loop turn while it reads", async () => {
    const path = await fileOf("a.txt", "some words in a line\n".repeat(200_000));
    let turns = 0;
    const count = () => {
      turns++;
      timer = setTimeout(count, 0);
    };
    let timer = setTimeout(count, 0);
    let rows = 0;
    for await (const _ of readLines(path)) rows++;
    clearTimeout(timer);
    expect(rows).toBe(200_000);
    expect(turns).toBeGreaterThan(5);
  });

  it("closes the file when the reader stops early", async () => {
    const path = await fileOf("a.txt.gz", gzipSync("line\n".repeat(500_000), { level: 0 }));
    const before = await openFiles();
    for await (const { text } of readLines(path)) {
      expect(text).toBe("line");
      break;
    }
    expect(await openFiles()).toBe(before);
  });

  it("bad call - a file that does not exist", async () => {
    await failure(texts("/nowhere/at-all.txt"), "ERR_RAT_PATH", "/nowhere/at-all.txt does not exist");
  });

  it("bad call - a folder", async () => {
    const folder = dirname(await fileOf("a.txt", ""));
    await failure(texts(folder), "ERR_RAT_PATH", folder, "is a folder");
  });

  it.each([
    ["at the start", "\xff\nfine\n", 1],
    ["in the middle", "fine\nfine too\nno \xe9t\xe9\nfine\n", 3],
    ["cut off at the end", "fine\n\xe6\xbc", 2],
    ["far down, in a later chunk", `${"x".repeat(99)}\n`.repeat(2_000).concat("\xc3(\n"), 2_001],
    ["a surrogate", "fine\n\xed\xa0\x80\n", 2],
  ])("bad call - bytes that are not UTF-8, %s", async (_, latin1, line) => {
    const bytes = Buffer.from(latin1, "latin1");
    const plain = await fileOf("a.txt", bytes);
    await failureAt(texts(plain), "ERR_RAT_DATA_ENCODING", plain, line, "UTF-8");
    const zipped = await fileOf("a.txt.gz", gzipSync(bytes));
    await failureAt(texts(zipped), "ERR_RAT_DATA_ENCODING", zipped, line);
  });

  it("bad call - gzip that is cut off", async () => {
    const noise = Array.from({ length: 50_000 }, (_, i) =>
      ((i * 2_654_435_761) % 4_294_967_296).toString(36),
    );
    const bytes = gzipSync(noise.join("\n"));
    const path = await fileOf("a.txt.gz", bytes.subarray(0, bytes.length / 2));
    const error = await failure(texts(path), "ERR_RAT_DATA_FORMAT", path, "gzip");
    expect(error.details?.line).toBeGreaterThan(1_000);
  });

  it("bad call - gzip with a damaged checksum", async () => {
    const bytes = gzipSync("one\ntwo\n");
    bytes.writeUInt32LE(0, bytes.length - 8);
    const path = await fileOf("a.txt.gz", bytes);
    await failure(texts(path), "ERR_RAT_DATA_FORMAT", path, "damaged gzip");
  });

  it("bad call - a .gz file that is not gzip", async () => {
    const path = await fileOf("a.txt.gz", "plain\n");
    await failureAt(texts(path), "ERR_RAT_DATA_FORMAT", path, 1, "not gzip");
  });

  it("bad call - a line of more than 64 MiB", async () => {
    const path = await fileOf("a.txt", "first\n");
    await truncate(path, 6 + 64 * 1024 * 1024 + 1); // A hole: zero bytes, which are data.
    await failureAt(texts(path), "ERR_RAT_LIMIT", path, 2, "64 MiB");
  });

  it("reads a line of exactly 64 MiB", async () => {
    const path = await fileOf("a.txt", "");
    await truncate(path, 64 * 1024 * 1024);
    expect((await all(readBlocks(path))).map(({ bytes }) => bytes.length)).toEqual([64 * 1024 * 1024]);
  });

  it("bad call - a signal that has been aborted", async () => {
    const path = await fileOf("a.txt", "one\n");
    const reason = new Error("enough");
    const error = await failure(
      all(readLines(path, { signal: AbortSignal.abort(reason) })),
      "ERR_RAT_ABORTED",
    );
    expect(error).toMatchObject({ name: "AbortError", cause: reason });
  });

  it.each(["a.txt", "a.txt.gz"])("bad call - an abort in the middle of %s", async (name) => {
    const content = "some words in a line\n".repeat(100_000);
    const path = await fileOf(name, name.endsWith(".gz") ? gzipSync(content, { level: 0 }) : content);
    const controller = new AbortController();
    let rows = 0;
    const reading = (async () => {
      for await (const _ of readLines(path, { signal: controller.signal }))
        if (++rows === 10) controller.abort();
    })();
    await failure(reading, "ERR_RAT_ABORTED");
    expect(rows).toBeLessThan(50_000);
  });
});
