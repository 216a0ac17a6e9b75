/** How a repository of the Hugging Face hub is named. */
import { existsSync } from "node:fs";
import { RATError } from "../errors.js";

/** A repository at a revision. */
export interface Repository {
  readonly type: "model" | "dataset";
  /** `owner/name`. */
  readonly name: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

export const DEFAULT_REVISION = "main";

/** One part of `owner/name`, as the hub allows it. */
const PART = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?$/;
const REVISION = /^[A-Za-z0-9][\w./-]{0,199}$/;

/**
 * The model that `owner/name` or `owner/name@revision` names; undefined for what can only be a path. Where there is a
 * folder `owner` here, it is one: a slip in a path must not reach for the network.
 */
export function parseModelName(text: string): Repository | undefined {
  const [id = "", revision = DEFAULT_REVISION, ...more] = text.split("@");
  const parts = id.split("/");
  const isName = parts.length === 2 && parts.every((part) => PART.test(part) && !part.includes(".."));
  if (!isName || more.length > 0 || !isRevision(revision) || existsSync(parts[0] ?? "")) return undefined;
  return { type: "model", name: id, revision };
}

function isRevision(text: string): boolean {
  return REVISION.test(text) && !text.split("/").some((part) => part === "" || part.startsWith("."));
}

/** Names come from a server and become paths: none may lead out of the folder. */
export function checkFileName(name: string, from: string): void {
  const parts = name.split(/[/\\]/);
  const isInside = parts.every((part) => part !== "" && part !== "." && part !== "..");
  if (isInside && !name.includes("\\") && !name.includes("\0") && !/^[A-Za-z]:/.test(name)) return;
  throw new RATError(
    "ERR_RAT_PATH",
    `${from} names ${JSON.stringify(name)}, which is no file inside its folder`,
    {
      details: { file: name },
    },
  );
}
