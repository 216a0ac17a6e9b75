// npm run test:reference: compares with the reference packages themselves, in Python. Takes the Python that RAT_PYTHON names,
// else makes an environment of its own in the cache folder, once, from requirements.txt. Where neither can be had it says so
// and ends with "SKIPPED" and exit 0. Arguments go to vitest.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "../../native/setup/cache.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const MODULES = "import torch, transformers, safetensors, numpy";

/** What some tests do without: `transformers` reads SentencePiece models with the first, event files are TensorBoard's. */
const OPTIONAL = [
  { modules: "import sentencepiece, google.protobuf", packages: ["sentencepiece", "protobuf"] },
  { modules: "import tensorboard", packages: ["tensorboard"] },
];

const has = (python, modules = MODULES) =>
  spawnSync(python, ["-c", modules], { stdio: "ignore" }).status === 0;

function makeEnvironment() {
  const folder = join(cacheFolder(), "reference-python");
  const python = join(folder, "bin/python");
  // Where an index cannot be reached, pip would try for minutes.
  const install = ["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "10"];
  const index = ["--extra-index-url", "https://download.pytorch.org/whl/cpu"];
  const run = (command, args) =>
    spawnSync(command, args, { stdio: ["ignore", "ignore", "inherit"] }).status === 0;
  const withOptional = () => {
    for (const { modules, packages } of OPTIONAL)
      if (!has(python, modules)) run(python, [...install, ...packages]);
    return python;
  };
  if (existsSync(python) && has(python)) return withOptional();
  console.log(
    `test-reference: making a Python environment with PyTorch and transformers in ${folder}: 1 GB on disk`,
  );
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  if (!run("python3", ["-m", "venv", folder])) return undefined;
  if (!run(python, [...install, ...index, "-r", join(here, "requirements.txt")])) return undefined;
  return has(python) ? withOptional() : undefined;
}

const { RAT_PYTHON } = process.env;
const python = RAT_PYTHON ?? makeEnvironment();
if (python === undefined || !has(python)) {
  const line = "*".repeat(78);
  console.warn(
    `${line}\ntest-reference: SKIPPED: there is no Python with PyTorch, transformers and safetensors, and none can be made\n${line}`,
  );
} else {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const args = [vitest, "run", "--project", "reference", ...process.argv.slice(2)];
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, RAT_PYTHON: python },
  });
  process.exitCode = status ?? 1;
}
