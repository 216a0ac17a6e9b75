/**
 * The cache that the Python libraries share: `models--owner--name/{blobs,refs,snapshots}`. A snapshot is a commit; its
 * files are links to blobs that are named by their checksum.
 */
import { copyFile, readFile, rm, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, relative } from "node:path";
import { makeFolder, replaceFile } from "../files/durable-file.js";
import type { Repository } from "./repository.js";

/** `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else `~/.cache/huggingface/hub`. */
export function hubCacheFolder(env = process.env): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = env;
  return HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || join(huggingFaceHome(env), "hub");
}

/** `HF_HOME`, else `huggingface` in `XDG_CACHE_HOME` or `~/.cache`. */
export function huggingFaceHome(env = process.env): string {
  const { HF_HOME, XDG_CACHE_HOME } = env;
  return HF_HOME || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
}

const COMMIT = /^[0-9a-f]{40}$/;

/** A repository's part of the cache. */
export class RepositoryCache {
  readonly folder: string;
  readonly #revision: string;

  constructor({ type, name, revision }: Repository) {
    this.folder = join(hubCacheFolder(), `${type}s--${name.replaceAll("/", "--")}`);
    this.#revision = revision;
  }

  /** Where the blob with this checksum is or will be. */
  blob(hash: string): string {
    return join(this.folder, "blobs", hash);
  }

  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  /** The commit that the revision stood for when it was fetched; undefined if it never was. */
  async commit(): Promise<string | undefined> {
    if (COMMIT.test(this.#revision)) return this.#revision;
    const text = await readFile(join(this.folder, "refs", this.#revision), "utf8").catch(() => "");
    return COMMIT.test(text.trim()) ? text.trim() : undefined;
  }

  /** Remembers which commit the revision stands for. */
  async setCommit(commit: string): Promise<void> {
    if (this.#revision === commit) return;
    const file = join(this.folder, "refs", this.#revision);
    await makeFolder(dirname(file));
    await replaceFile(file, commit);
  }

  /** Puts a blob into a snapshot. */
  async link(hash: string, commit: string, name: string): Promise<void> {
    const path = join(this.snapshot(commit), name);
    await makeFolder(dirname(path));
    await rm(path, { force: true });
    const target = this.blob(hash);
    await symlink(relative(dirname(path), target), path).catch(() => copyFile(target, path));
  }
}
