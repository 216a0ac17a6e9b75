/** One file of a repository: fetched into the cache, resumed after a break, and checked before it is used. */

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { abortedError, isRATError, RATError } from "../errors.js";
import { makeFolder } from "../files/durable-file.js";
import { hubFetch, hubUrl } from "./hub-fetch.js";
import type { Repository } from "./repository.js";

/** A file as the hub lists it. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** SHA-256 of a large file; of others the SHA-1 that git names them by. */
  readonly hash: string;
  readonly isLarge: boolean;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of further bytes; negative where bytes had to be thrown away. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** A connection that breaks is taken up again so many times without a byte of progress. */
const ATTEMPTS = 5;

/**
 * Fetches a file to `target`, unless it is there. What an earlier attempt left in `target.incomplete` is not fetched again.
 *
 * @throws RATError `ERR_RAT_HASH_MISMATCH` when the bytes are not those that the hub lists; `ERR_RAT_NETWORK`; `ERR_RAT_ABORTED`.
 */
export async function downloadFile(
  repository: Repository,
  commit: string,
  file: HubFile,
  target: string,
  options: DownloadOptions,
): Promise<void> {
  if (await isThere(target, file.size)) return options.onBytes?.(file.size);
  const partial = `${target}.incomplete`;
  await makeFolder(dirname(target));
  let have = await sizeOf(partial);
  if (have > file.size) {
    await rm(partial);
    have = 0;
  }
  options.onBytes?.(have);
  const isResumed = have > 0;
  await complete(repository, commit, file, partial, options);
  const found = await hashOf(partial, file);
  if (found === file.hash) return rename(partial, target);

  await rm(partial);
  options.onBytes?.(-file.size);
  // The old part may have been another file's.
  if (isResumed) return downloadFile(repository, commit, file, target, options);
  throw new RATError(
    "ERR_RAT_HASH_MISMATCH",
    `${file.path} of ${repository.name} arrived with other bytes than the hub lists: expected ${file.hash}, received ${found}. It was thrown away; try again, or another HF_ENDPOINT`,
    { details: { file: file.path }, retryable: true },
  );
}

/**
 * Appends to `partial` until it has the file's size. The hub's own library gives a file as a `Blob`, which cannot tell
 * why a stream broke; so the bytes are asked for here.
 */
async function complete(
  repository: Repository,
  commit: string,
  file: HubFile,
  partial: string,
  { signal, onBytes }: DownloadOptions,
): Promise<void> {
  const kind = repository.type === "dataset" ? "datasets/" : "";
  const path = file.path.split("/").map(encodeURIComponent).join("/");
  const url = `${hubUrl()}/${kind}${repository.name}/resolve/${commit}/${path}`;
  const send = hubFetch(signal);
  for (let idle = 0; ; ) {
    let have = await sizeOf(partial);
    if (have === file.size) {
      if (have === 0) await writeFile(partial, "");
      return;
    }
    let received = 0;
    try {
      const response = await send(url, have > 0 ? { headers: { Range: `bytes=${have}-` } } : {});
      if (!response.ok) {
        await response.body?.cancel();
        throw Object.assign(new Error(`status ${response.status}`), { statusCode: response.status });
      }
      if (have > 0 && response.status !== 206) {
        // This server knows no ranges: it sends all of it again.
        onBytes?.(-have);
        have = 0;
      }
      const counter = new Transform({
        transform(chunk: Buffer, _, done) {
          received += chunk.length;
          onBytes?.(chunk.length);
          done(have + received > file.size ? new Error("the server sent more than it should") : null, chunk);
        },
      });
      const source = Readable.fromWeb((response.body ?? new Response("").body) as ReadableStream);
      const sink = createWriteStream(partial, { flags: have > 0 ? "a" : "w" });
      try {
        await pipeline(source, counter, sink, signal ? { signal } : {});
      } finally {
        // A pipeline that failed is over before its last write is: the file's size would still change.
        if (!sink.closed) await once(sink, "close");
      }
      if (received === 0) throw new Error("the server sent nothing");
    } catch (error) {
      if (signal?.aborted) throw abortedError(signal);
      const isRefused = error instanceof Error && ("statusCode" in error || isRATError(error));
      const isTooLong = have + received > file.size;
      idle = received > 0 && !isTooLong ? 0 : idle + 1;
      if (isRefused || idle >= ATTEMPTS || isDiskError(error)) throw error;
      if ((await sizeOf(partial)) > file.size) {
        onBytes?.(-(await sizeOf(partial)));
        await rm(partial);
      }
    }
  }
}

/** What the file system says; trying again would not help. */
function isDiskError(error: unknown): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code !== undefined && ["ENOSPC", "EACCES", "EROFS", "EDQUOT", "EIO", "EPERM"].includes(code);
}

async function isThere(path: string, size: number): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return info?.size === size;
}

async function sizeOf(path: string): Promise<number> {
  const info = await stat(path).catch(() => undefined);
  return info?.size ?? 0;
}

async function hashOf(path: string, { size, isLarge }: HubFile): Promise<string> {
  const hash = createHash(isLarge ? "sha256" : "sha1");
  if (!isLarge) hash.update(`blob ${size}\0`);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
