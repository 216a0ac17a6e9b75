/** What happens when a file cannot grow: the child process may write no file above a size (`ulimit -f`, SIGXFSZ ignored). */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { writeFolder } from "#dist/files/atomic-folder.js";
import { writeNewFile } from "#dist/files/durable-file.js";
import { temporaryFolder } from "../trainer/toy.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

const script = `
import { join } from "node:path";
import { writeFolder } from "#dist/files/atomic-folder.js";
import { writeNewFile } from "#dist/files/durable-file.js";
process.on("SIGXFSZ", () => {});
try {
  await writeFolder(process.argv[1], (folder) => writeNewFile(join(folder, "weights"), Buffer.alloc(4_000_000, 1)));
  console.log("written");
} catch (error) {
  console.log(error.name + " " + error.code + " " + error.cause?.code);
}
`;

it("expected failure - a file that cannot be written in full leaves the old folder intact", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "checkpoint");
  await writeFolder(path, (temporary) => writeNewFile(join(temporary, "weights"), "old"));
  // 1,000 blocks of 1,024 bytes.
  const limited = 'ulimit -f 1000; exec "$0" --input-type=module -e "$1" "$2"';
  const { stdout } = await promisify(execFile)("bash", ["-c", limited, process.execPath, script, path], {
    cwd: root,
  });
  expect(stdout.trim()).toBe("RATError ERR_RAT_CHECKPOINT_WRITE EFBIG");
  expect(await readFile(join(path, "weights"), "utf8")).toBe("old");
  expect(await readdir(folder)).toEqual(["checkpoint"]);
});
