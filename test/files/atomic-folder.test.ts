import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { RATError } from "#dist/errors.js";
import { writeFolder } from "#dist/files/atomic-folder.js";
import { replaceFile, writeNewFile } from "#dist/files/durable-file.js";
import { expectRATError, temporaryFolder } from "../trainer/toy.js";

const read = (...path: string[]) => readFile(join(...path), "utf8");

describe("a folder", () => {
  it("appears with everything in it, and its parents with it", async () => {
    const root = await temporaryFolder();
    const path = join(root, "deep", "er", "folder");
    await writeFolder(path, async (folder) => {
      await writeNewFile(join(folder, "a"), "1");
      expect(await readdir(join(root, "deep", "er"))).not.toContain("folder");
    });
    expect(await read(path, "a")).toBe("1");
    expect(await readdir(join(root, "deep", "er"))).toEqual(["folder"]);
  });

  it("replaces the whole folder that stood there", async () => {
    const root = await temporaryFolder();
    const path = join(root, "folder");
    await writeFolder(path, (folder) => writeNewFile(join(folder, "old"), "1"));
    await writeFolder(path, (folder) => writeNewFile(join(folder, "new"), "2"));
    expect(await readdir(path)).toEqual(["new"]);
    expect(await readdir(root)).toEqual(["folder"]);
  });

  it("that stepped aside for one that never came is back at the next attempt, whatever becomes of that", async () => {
    const root = await temporaryFolder();
    const path = join(root, "a (b).c");
    await writeFolder(path, (folder) => writeNewFile(join(folder, "a"), "old"));
    // As a kill between the two renames leaves them; and another folder's, which is none of ours.
    await rename(path, join(root, ".a (b).c.old-17-0123abcd"));
    await mkdir(join(root, ".a (b)xc.old-17-0123abcd"));
    await expectRATError(
      () => writeFolder(path, () => Promise.reject(new Error("full"))),
      "ERR_RAT_CHECKPOINT_WRITE",
    );
    expect(await read(path, "a")).toBe("old");
    expect((await readdir(root)).sort()).toEqual([".a (b)xc.old-17-0123abcd", "a (b).c"]);
  });

  it("below a place where none can be made fails at once", async () => {
    for (const path of ["/proc/none/such/folder", join(await temporaryFolder(), "file", "folder")]) {
      if (!path.startsWith("/proc")) await writeNewFile(dirname(path), "");
      await expectRATError(
        () => writeFolder(path, async () => {}),
        "ERR_RAT_CHECKPOINT_WRITE",
        /ENOENT|EEXIST|ENOTDIR/,
      );
    }
  });

  it("expected failure - half way: the old one is intact, and nothing is left over", async () => {
    const root = await temporaryFolder();
    const path = join(root, "folder");
    await writeFolder(path, (folder) => writeNewFile(join(folder, "a"), "old"));
    const full = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
    const failing = async (folder: string) => {
      await writeNewFile(join(folder, "a"), "new");
      throw full;
    };
    const error = await expectRATError(
      () => writeFolder(path, failing),
      "ERR_RAT_CHECKPOINT_WRITE",
      /no space left/,
    );
    expect(error.cause).toBe(full);
    expect(await read(path, "a")).toBe("old");
    expect(await readdir(root)).toEqual(["folder"]);
  });

  it("expected failure - an error with a code stays itself", async () => {
    const path = join(await temporaryFolder(), "folder");
    const aborted = new RATError("ERR_RAT_ABORTED", "stop");
    await expect(writeFolder(path, () => Promise.reject(aborted))).rejects.toBe(aborted);
    const native = Object.assign(new Error("stop"), { code: "ERR_RAT_ABORTED" });
    await expectRATError(() => writeFolder(path, () => Promise.reject(native)), "ERR_RAT_ABORTED");
  });

  it("expected failure - where a file is in the way", async () => {
    const root = await temporaryFolder();
    await writeFile(join(root, "file"), "");
    await expectRATError(
      () => writeFolder(join(root, "file", "folder"), async () => {}),
      "ERR_RAT_CHECKPOINT_WRITE",
    );
  });
});

describe("a file", () => {
  it("is replaced as a whole", async () => {
    const root = await temporaryFolder();
    await replaceFile(join(root, "a"), "long text");
    await replaceFile(join(root, "a"), "ü");
    expect(await read(root, "a")).toBe("ü");
    expect(await readdir(root)).toEqual(["a"]);
  });

  it("expected failure - where a folder is in the way", async () => {
    const root = await temporaryFolder();
    await mkdir(join(root, "a"));
    await expectRATError(() => replaceFile(join(root, "a"), "text"), "ERR_RAT_CHECKPOINT_WRITE", /intact/);
    expect(await readdir(root)).toEqual(["a"]);
  });

  it("expected failure - a new file does not replace one", async () => {
    const root = await temporaryFolder();
    await writeNewFile(join(root, "a"), "old");
    await expect(writeNewFile(join(root, "a"), "new")).rejects.toMatchObject({ code: "EEXIST" });
    expect(await read(root, "a")).toBe("old");
  });

  it("holds more bytes than one write takes", async () => {
    const root = await temporaryFolder();
    const bytes = Buffer.alloc(2 ** 26 + 5, 7);
    await writeNewFile(join(root, "a"), bytes);
    expect((await readFile(join(root, "a"))).equals(bytes)).toBe(true);
  });
});
