/** The Python of the baselines: `RAT_PYTHON`, the environment that `npm run test:reference` makes, or `python3`. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../native/setup/cache.mjs";

export interface Python {
  readonly path: string;
  readonly torch: string;
  readonly transformers: string;
}

const VERSIONS =
  "import json, torch, transformers, safetensors; print(json.dumps({'torch': torch.__version__, 'transformers': transformers.__version__}))";

/** How to get one, for a person. */
export const PYTHON_ADVICE =
  "To compare with PyTorch: python3 -m venv venv && venv/bin/pip install torch transformers safetensors numpy && RAT_PYTHON=venv/bin/python npm run bench";

export function findPython(): Python | undefined {
  const { RAT_PYTHON } = process.env;
  const made = join(cacheFolder(), "reference-python/bin/python");
  for (const path of RAT_PYTHON ? [RAT_PYTHON] : [...(existsSync(made) ? [made] : []), "python3"]) {
    if (spawnSync(path, ["-c", "import torch, transformers, safetensors"], { stdio: "ignore" }).status !== 0)
      continue;
    const said = execFileSync(path, ["-c", VERSIONS], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return { path, ...(JSON.parse(said.trim().split("\n").at(-1) ?? "") as Omit<Python, "path">) };
  }
  return undefined;
}
