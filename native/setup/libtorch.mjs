// What a LibTorch folder is: its version, whether it is complete, CPU or CUDA, and its C++ ABI. Reads files only, so
// that the addon's loader can ask it too, before anything is loaded.
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.mjs";

/** The version that set-up fetches. */
export const PINNED = "2.13.0";

/** Versions the project is tested with. Others in the range are compiled for, with a warning. */
export const TESTED = ["2.13.0"];

/** First and last minor version of LibTorch 2 that the C++ sources compile against. */
const FIRST_MINOR = 11;
const LAST_MINOR = 15;

export const SUPPORTED_RANGE = `2.${FIRST_MINOR} to 2.${LAST_MINOR}`;

const EXTENSION = process.platform === "darwin" ? "dylib" : "so";

/** The release without its local part: `2.13.0` for `2.13.0+cpu`. */
export const releaseOf = (version) => version.split("+")[0] ?? version;

export function isSupported(version) {
  const [major, minor] = version.split(".").map(Number);
  return major === 2 && minor >= FIRST_MINOR && minor <= LAST_MINOR;
}

export const isTested = (version) => TESTED.includes(releaseOf(version));

/**
 * The version of the LibTorch in `folder`, as `2.13.0+cpu`, or undefined if there is none. A wheel says it in
 * `version.py`, an official archive in `build-version`; the header lacks the part after `+` and comes last.
 */
export function readVersion(folder) {
  const sources = [
    ["version.py", /^__version__\s*=\s*['"]([^'"]+)['"]/m],
    ["build-version", /^\s*(\S+)\s*$/],
    ["include/torch/headeronly/version.h", /#define TORCH_VERSION\s*\\?\s*"([^"]+)"/],
    ["include/torch/csrc/api/include/torch/version.h", /#define TORCH_VERSION\s*\\?\s*"([^"]+)"/],
  ];
  for (const [file, pattern] of sources) {
    const path = join(folder, file);
    const found = existsSync(path) ? pattern.exec(readFileSync(path, "utf8"))?.[1] : undefined;
    if (found) return found;
  }
  return undefined;
}

/** The path of one of LibTorch's libraries: `library(folder, "c10")`. */
export const library = (folder, name) => join(folder, "lib", `lib${name}.${EXTENSION}`);

/** When LibTorch's main library was last written, in milliseconds; 0 if it is not there. Part of the build stamp. */
export function libraryMtime(folder) {
  return Math.trunc(statSync(library(folder, "torch_cpu"), { throwIfNoEntry: false })?.mtimeMs ?? 0);
}

/**
 * Describes the LibTorch in `folder`. `problem` says why it cannot be built against.
 *
 * @param {string} folder
 * @param {{ mustLoad?: boolean }} [options] `mustLoad: false`: only compile and link, so libraries that the loader would
 *   miss do not matter
 * @returns {Promise<import("./probe.d.mts").LibTorch>}
 */
export async function inspectLibTorch(folder, { mustLoad = true } = {}) {
  const version = readVersion(folder);
  const described = {
    path: folder,
    version: version ?? "unknown",
    cuda: existsSync(library(folder, "torch_cuda")),
    cudaVersion: /^cuda\b.*=\s*'([\d.]+)'/m.exec(readText(join(folder, "version.py")))?.[1],
    cxx11Abi: true,
    missingCudaLibraries: [],
  };
  if (!existsSync(folder)) return { ...described, problem: "there is no such folder" };
  for (const [what, path] of [
    ["headers", join(folder, "include/ATen/ATen.h")],
    ["libraries", library(folder, "torch_cpu")],
    ["libraries", library(folder, "c10")],
  ]) {
    if (!existsSync(path)) return { ...described, problem: `it has no ${what} (${path} is missing)` };
  }
  if (version === undefined) return { ...described, problem: "its version cannot be read" };
  if (!isSupported(version)) {
    return { ...described, problem: `version ${version} is not in the supported range, ${SUPPORTED_RANGE}` };
  }
  described.cxx11Abi = usesCxx11Abi(library(folder, "c10"));
  if (!mustLoad) return described;
  const missing = await missingLibraries(library(folder, "torch_cpu"));
  if (missing.length > 0)
    return { ...described, problem: `${missing.join(", ")} cannot be found, which it needs` };
  if (described.cuda) described.missingCudaLibraries = await missingLibraries(library(folder, "torch_cuda"));
  return described;
}

function readText(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** Whether libstdc++'s new string is in the library's symbols: the flag `_GLIBCXX_USE_CXX11_ABI` it was built with. */
function usesCxx11Abi(path) {
  if (process.platform !== "linux") return true;
  const wanted = Buffer.from("NSt7__cxx1112basic_string");
  const chunk = Buffer.alloc(1 << 20);
  const file = openSync(path, "r");
  try {
    // Chunks overlap by the length of the name, which may lie across a border.
    for (let position = 0; ; position += chunk.length - wanted.length) {
      const read = readSync(file, chunk, 0, chunk.length, position);
      if (chunk.subarray(0, read).includes(wanted)) return true;
      if (read < chunk.length) return false;
    }
  } finally {
    closeSync(file);
  }
}

/**
 * Libraries that the loader would not find. A CUDA wheel without its `nvidia/` neighbours has the file but cannot be
 * loaded, which otherwise shows only after the build. Empty where there is no `ldd`.
 */
async function missingLibraries(path) {
  if (process.platform !== "linux") return [];
  const { code, stdout } = await run("ldd", [path], { timeoutMs: 60_000 });
  if (code !== 0) return [];
  return [...stdout.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]);
}
