/** Repositories of the hub as folders: which files are needed, fetched once into the cache that Python shares. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { abortedError, isRATError, RATError, throwIfAborted } from "../errors.js";
import { exists } from "../files/atomic-folder.js";
import { makeFolder } from "../files/durable-file.js";
import { type FolderLock, lockFolder } from "../files/lock.js";
import { RepositoryCache } from "./cache.js";
import { downloadFile, type HubFile } from "./download.js";
import { hubError, hubFetch, hubUrl, isOffline } from "./hub-fetch.js";
import { checkFileName, type Repository } from "./repository.js";

/** What can be watched and ended. */
export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called as bytes arrive: how many of how many there are. */
  readonly onProgress?: ((receivedBytes: number, totalBytes: number) => void) | undefined;
}

/** Names the files that are wanted, out of all; may read those that `get` fetches first (an index). */
export type Choose = (
  files: readonly HubFile[],
  get: (path: string) => Promise<string>,
) => Promise<readonly string[]>;

/**
 * The folder of a repository with the files that are wanted. Where the revision was fetched before and the folder passes
 * `isComplete`, there is no request.
 *
 * @param options.folder - Only files below it; the whole repository's top level if not given.
 * @throws RATError `ERR_RAT_NETWORK` (the hub cannot be reached, refuses, or the network is forbidden); `ERR_RAT_PATH` for
 *   a repository or revision that does not exist, and for file names that leave the folder; `ERR_RAT_HASH_MISMATCH`;
 *   `ERR_RAT_ABORTED`.
 */
export async function fetchRepository(
  repository: Repository,
  options: FetchOptions & {
    readonly folder?: string;
    readonly choose: Choose;
    readonly isComplete: (snapshot: string) => Promise<boolean>;
  },
): Promise<string> {
  const { signal, isComplete } = options;
  const cache = new RepositoryCache(repository);
  const known = await cache.commit();
  if (known !== undefined && (await isComplete(cache.snapshot(known)))) return cache.snapshot(known);
  throwIfAborted(signal);
  if (isOffline()) {
    throw new RATError(
      "ERR_RAT_NETWORK",
      `${repository.name} (revision ${repository.revision}) is not in the cache ${cache.folder}, and HF_HUB_OFFLINE forbids the network`,
      { details: { file: cache.folder } },
    );
  }
  await makeFolder(cache.folder);
  const lock = await waitForLock(cache.folder, signal);
  try {
    return await fetchSnapshot(repository, cache, options);
  } catch (error) {
    throw signal?.aborted ? abortedError(signal) : hubError(error, repository);
  } finally {
    await lock.release();
  }
}

async function fetchSnapshot(
  repository: Repository,
  cache: RepositoryCache,
  options: FetchOptions & { readonly folder?: string; readonly choose: Choose },
): Promise<string> {
  const { signal, onProgress, choose, folder } = options;
  const hub = await import("@huggingface/hub");
  const common = { hubUrl: hubUrl(), fetch: hubFetch(signal) };
  const { name, type, revision } = repository;
  const about = { ...common, name, revision, additionalFields: ["sha" as const] };
  const { sha } = await (type === "model" ? hub.modelInfo(about) : hub.datasetInfo(about));
  const snapshot = cache.snapshot(sha);

  const files: HubFile[] = [];
  const repo = { type, name };
  for await (const entry of hub.listFiles({
    ...common,
    repo,
    revision: sha,
    ...(folder && { path: folder }),
  })) {
    if (entry.type !== "file") continue;
    checkFileName(entry.path, `${name} on ${hubUrl()}`);
    const { path, lfs, oid } = entry;
    files.push({
      path,
      size: lfs?.size ?? entry.size,
      hash: lfs?.oid ?? oid ?? "",
      isLarge: lfs !== undefined,
    });
  }
  const byPath = new Map(files.map((file) => [file.path, file]));
  let [received, total] = [0, 0];
  const fetchFile = async (path: string) => {
    const file = byPath.get(path);
    if (!file) {
      throw new RATError("ERR_RAT_PATH", `${name} on ${hubUrl()} has no file ${path}, though it names it`, {
        details: { file: path },
      });
    }
    const onBytes = (bytes: number) => {
      received += bytes;
      onProgress?.(received, total);
    };
    await downloadFile(repository, sha, file, cache.blob(file.hash), { signal, onBytes });
    await cache.link(file.hash, sha, path);
  };
  const first = new Set<string>();
  const wanted = await choose(files, async (path) => {
    checkFileName(path, name);
    total += byPath.get(path)?.size ?? 0;
    await fetchFile(path);
    first.add(path);
    return readFile(join(snapshot, path), "utf8");
  });
  const rest = wanted.filter((path) => !first.has(path));
  total += rest.reduce((sum, path) => sum + (byPath.get(path)?.size ?? 0), 0);
  for (const path of rest) await fetchFile(path);
  await cache.setCommit(sha);
  return snapshot;
}

/** Another process that fetches the same is waited for: what it has fetched need not come again. */
async function waitForLock(folder: string, signal: AbortSignal | undefined): Promise<FolderLock> {
  for (;;) {
    try {
      return await lockFolder(folder);
    } catch (error) {
      if (!isRATError(error, "ERR_RAT_LOCKED")) throw error;
      await sleep(500, undefined, { signal }).catch(() => {
        throw abortedError(signal);
      });
    }
  }
}

/** Whether all of the files are in a snapshot. */
export async function hasAll(snapshot: string, names: readonly string[]): Promise<boolean> {
  const present = await Promise.all(names.map((name) => exists(join(snapshot, name))));
  return present.every(Boolean);
}
