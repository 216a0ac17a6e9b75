// The stamp beside the addon: which LibTorch it was compiled against and from which sources. One LibTorch build works
// with exactly the version it was compiled for, and a wrong one fails in dlopen with a message that helps nobody; so the
// stamp is compared first.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { libraryMtime, readVersion } from "./libtorch.mjs";

export const ADDON_FILE = "rat.node";
export const STAMP_FILE = "rat.stamp.json";

/** Reads the stamp in `folder` (`build/Release`); undefined if there is none that can be read. */
export function readStamp(folder) {
  const path = join(folder, STAMP_FILE);
  if (!existsSync(path)) return undefined;
  try {
    const stamp = JSON.parse(readFileSync(path, "utf8"));
    return typeof stamp?.libtorch === "string" && typeof stamp.version === "string" ? stamp : undefined;
  } catch {
    return undefined;
  }
}

export function writeStamp(folder, stamp) {
  const path = join(folder, STAMP_FILE);
  writeFileSync(`${path}.new`, `${JSON.stringify(stamp, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}

/** Why the addon in `folder` must not be loaded, or undefined if nothing speaks against it. */
export function whyNotLoadable(folder) {
  if (!existsSync(join(folder, ADDON_FILE)))
    return `the native addon has not been built (${folder} has no ${ADDON_FILE})`;
  const stamp = readStamp(folder);
  if (!stamp)
    return `the native addon in ${folder} was not completely built (its ${STAMP_FILE} is missing or damaged)`;
  const now = readVersion(stamp.libtorch);
  if (now === undefined) {
    return `the native addon was built against LibTorch ${stamp.version} in ${stamp.libtorch}, which is no longer there`;
  }
  if (now !== stamp.version) {
    return `the native addon was built against LibTorch ${stamp.version}, but ${stamp.libtorch} now holds ${now}`;
  }
  return undefined;
}

/** Whether a build with these inputs would give the addon that is there already. */
export function isUpToDate(folder, { libtorch, cuda, sources }) {
  const stamp = readStamp(folder);
  return (
    stamp !== undefined &&
    whyNotLoadable(folder) === undefined &&
    stamp.libtorch === libtorch.path &&
    stamp.version === libtorch.version &&
    stamp.libtorchMtime === libraryMtime(libtorch.path) &&
    stamp.cuda === cuda &&
    stamp.sources === sources
  );
}

/** A hash of everything that is compiled: the sources, CMakeLists.txt, and the versions of the Node-API headers. */
export function hashSources(root, resolveVersion) {
  const hash = createHash("sha256");
  const files = readdirSync(join(root, "native"), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(h|cc|cu|cuh)$/.test(file))
    .sort();
  for (const file of ["CMakeLists.txt", ...files.map((name) => join("native", name))]) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update("\0");
  }
  for (const name of ["node-addon-api", "node-api-headers"]) hash.update(`${name}@${resolveVersion(name)}\0`);
  return hash.update(`${process.platform}-${process.arch}`).digest("hex");
}
