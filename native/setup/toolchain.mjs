// The tools that the build needs (cmake, a C++20 compiler, ninja or make) and may use (nvcc).

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { SetupProblem } from "./problem.mjs";
import { run } from "./run.mjs";

/** Oldest g++ that compiles LibTorch's C++20 headers. */
const OLDEST_GCC = 11;

/** Oldest cmake that CMakeLists.txt takes, as major and minor. */
const OLDEST_CMAKE = [3, 20];

/** The first executable of these names on the PATH. */
export function which(names, env = process.env) {
  for (const name of names) {
    if (name.includes("/")) {
      if (isExecutable(name)) return name;
      continue;
    }
    for (const folder of (env.PATH ?? "").split(delimiter)) {
      const path = join(folder || ".", name);
      if (isExecutable(path)) return path;
    }
  }
  return undefined;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @returns {Promise<import("./probe.d.mts").Toolchain>} */
export async function probeToolchain(env = process.env) {
  const [compiler, cmake, ninja, make, nvcc] = await Promise.all([
    tool(env.CXX ? [env.CXX] : ["c++", "g++", "clang++"], env),
    tool(["cmake"], env),
    tool(["ninja"], env),
    tool(["make"], env),
    tool(nvccPlaces(env), env, /release (\d+\.\d+)/),
  ]);
  return { compiler, cmake, ninja, make, nvcc };
}

function nvccPlaces(env) {
  const homes = [env.CUDA_HOME, env.CUDA_PATH, "/usr/local/cuda"].filter(Boolean);
  return [env.CUDACXX, "nvcc", ...homes.map((home) => join(home, "bin/nvcc"))].filter(Boolean);
}

async function tool(names, env, pattern = /(\d+\.\d+(?:\.\d+)*)/) {
  const path = which(names, env);
  if (path === undefined) return undefined;
  const { code, stdout } = await run(path, ["--version"], { env, timeoutMs: 30_000 });
  if (code !== 0) return undefined;
  return {
    path,
    version: pattern.exec(stdout)?.[1] ?? "unknown",
    description: stdout.split("\n")[0]?.trim() ?? "",
  };
}

/**
 * Checks that a CPU build can start.
 *
 * @param {import("./probe.d.mts").Toolchain} tools
 * @param {string} again the command that runs set-up again
 */
export function requireToolchain(tools, again) {
  const missing = [];
  if (!tools.compiler) missing.push(["a C++20 compiler (g++ 11 or clang++ 14, or newer)", "g++"]);
  if (!tools.cmake)
    missing.push(["cmake (3.20 or newer; `python3 -m pip install cmake` brings one too)", "cmake"]);
  if (!tools.ninja && !tools.make) missing.push(["ninja or make", "ninja-build"]);
  if (missing.length > 0) {
    const packages = missing.map(([, name]) => name);
    throw new SetupProblem(
      `The build needs what is not on the PATH: ${missing.map(([what]) => what).join("; ")}.`,
      `${installCommand(packages)} && ${again}`,
    );
  }
  const [major = 0, minor = 0] = tools.cmake.version.split(".").map(Number);
  if (major < OLDEST_CMAKE[0] || (major === OLDEST_CMAKE[0] && minor < OLDEST_CMAKE[1])) {
    throw new SetupProblem(
      `${tools.cmake.path} is version ${tools.cmake.version}; the build needs ${OLDEST_CMAKE.join(".")} or newer.`,
      `python3 -m pip install --upgrade cmake && ${again}`,
    );
  }
  const isGcc = /^(?:g\+\+|gcc|c\+\+)[-\s]/.test(tools.compiler.description);
  if (isGcc && Number.parseInt(tools.compiler.version, 10) < OLDEST_GCC) {
    throw new SetupProblem(
      `${tools.compiler.path} is g++ ${tools.compiler.version}; LibTorch's headers need g++ ${OLDEST_GCC} or newer. ` +
        "CXX chooses another compiler.",
      `${installCommand(["g++-12"])} && CXX=g++-12 ${again}`,
    );
  }
}

function installCommand(packages) {
  if (process.platform === "darwin") return "xcode-select --install; brew install cmake ninja";
  if (which(["apt-get"])) return `sudo apt-get install -y ${packages.join(" ")}`;
  const names = packages.map((name) => (name === "g++" ? "gcc-c++" : name));
  if (which(["dnf"])) return `sudo dnf install -y ${names.join(" ")}`;
  return `install ${packages.join(", ")} with your system's package manager`;
}
