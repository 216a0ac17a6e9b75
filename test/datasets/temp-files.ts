/** Data files in a temporary folder that is removed at the end of the test. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { isRATError, type RATError, type RATErrorCode } from "#dist/errors.js";

export type Files = Readonly<Record<string, string | Uint8Array>>;

/** Writes the files (names may hold folders) and returns their folder. */
export async function folderOf(files: Files): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "r-at-data-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/** Writes one file and returns its path. */
export async function fileOf(name: string, content: string | Uint8Array): Promise<string> {
  return join(await folderOf({ [name]: content }), name);
}

/** Everything a reader yields. */
export async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

/** The error that `work` rejects with; it must be a RATError with this code, and its message must hold each part. */
export async function failure(
  work: Promise<unknown>,
  code: RATErrorCode,
  ...parts: readonly (string | number)[]
): Promise<RATError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isRATError(error)) throw new Error(`Expected a RATError with ${code}`, { cause: error });
  expect(error.code).toBe(code);
  for (const part of parts) expect(error.message).toContain(String(part));
  return error;
}

/** {@link failure} of a reader, about a line of a file: both stand in the details and in the message. */
export async function failureAt(
  work: Promise<unknown>,
  code: RATErrorCode,
  file: string,
  line: number,
  ...parts: readonly string[]
): Promise<void> {
  const error = await failure(work, code, `${file}:${line}: `, ...parts);
  expect(error.details).toMatchObject({ file, line });
}
