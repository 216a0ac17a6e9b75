// A LibTorch archive that the user names: RAT_LIBTORCH_URL (`file:` or `https:`) with RAT_LIBTORCH_SHA256.
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { SetupProblem } from "./problem.mjs";
import { lastLines, run } from "./run.mjs";

/** Name of the archive's copy in the cache: it depends on the content alone. */
export const archiveName = (sha256) => `archive-${sha256.toLowerCase().slice(0, 16)}`;

/**
 * Reads and checks the two variables.
 *
 * @returns {{ url: URL, sha256: string } | undefined} undefined if no archive is asked for
 */
export function requestedArchive(env) {
  if (!env.RAT_LIBTORCH_URL) return undefined;
  let url;
  try {
    url = new URL(env.RAT_LIBTORCH_URL);
  } catch {
    throw new SetupProblem(
      `RAT_LIBTORCH_URL is not a URL: ${env.RAT_LIBTORCH_URL}`,
      "RAT_LIBTORCH_URL=file:///path/to/libtorch.zip RAT_LIBTORCH_SHA256=... npx r-at setup",
    );
  }
  if (url.protocol !== "file:" && url.protocol !== "https:") {
    throw new SetupProblem(
      `RAT_LIBTORCH_URL must be file: or https:, not ${url.protocol}`,
      `RAT_LIBTORCH_URL=https://${url.host}${url.pathname} npx r-at setup`,
    );
  }
  const sha256 = env.RAT_LIBTORCH_SHA256?.toLowerCase();
  if (!sha256 || !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new SetupProblem(
      "RAT_LIBTORCH_URL needs RAT_LIBTORCH_SHA256, the archive's SHA-256 as 64 hexadecimal digits.",
      url.protocol === "file:" ? `sha256sum '${fileURLToPath(url)}'` : `curl -L '${url.href}' | sha256sum`,
    );
  }
  return { url, sha256 };
}

/** Fetches, verifies and unpacks the archive into `folder`. Nothing is unpacked before its hash is right. */
export async function fetchArchive({ url, sha256 }, folder, { cmake }) {
  const local = url.protocol === "file:" ? fileURLToPath(url) : undefined;
  const file = local ?? join(folder, basename(url.pathname) || "archive.zip");
  if (local === undefined) await download(url, file);
  else if (!existsSync(local)) {
    throw new SetupProblem(`RAT_LIBTORCH_URL names ${local}, which does not exist.`, `ls '${local}'`);
  }
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  const actual = hash.digest("hex");
  if (actual !== sha256) {
    throw new SetupProblem(
      `The archive ${url.href} has the SHA-256 ${actual}, but RAT_LIBTORCH_SHA256 says ${sha256}. It was not unpacked.`,
      `RAT_LIBTORCH_SHA256=${actual} npx r-at setup   # only if you trust this archive`,
    );
  }
  // cmake unpacks zip (a wheel too) and tar alike, and the build needs it anyway.
  const { code, stderr } = await run(cmake.path, ["-E", "tar", "xf", file], { cwd: folder });
  if (local === undefined) await rm(file);
  if (code !== 0) {
    throw new SetupProblem(
      `The archive ${url.href} cannot be unpacked: ${lastLines(stderr)}`,
      `cmake -E tar tf '${file}'`,
    );
  }
}

async function download(url, file) {
  try {
    const response = await fetch(url);
    if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
    await pipeline(Readable.fromWeb(response.body), createWriteStream(file));
  } catch (error) {
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : "";
    throw new SetupProblem(
      `${url.href} could not be fetched: ${error.message}${cause}. Behind a proxy, fetch it yourself and name the file.`,
      `curl -LO '${url.href}' && RAT_LIBTORCH_URL="file://$PWD/${basename(url.pathname)}" npx r-at setup`,
    );
  }
}
