// The python3 on the PATH: whether it has torch and where, without importing it (an import takes seconds).
import { run } from "./run.mjs";

// An empty entry of sys.path is the current folder, where a folder named `torch` would pass for the module.
const PROBE = `
import importlib.util, json, sys
sys.path = [p for p in sys.path if p]
spec = importlib.util.find_spec("torch")
places = list(spec.submodule_search_locations or []) if spec else []
print(json.dumps({"version": "%d.%d" % sys.version_info[:2], "executable": sys.executable,
                  "torch": places[0] if places else None, "pip": importlib.util.find_spec("pip") is not None}))
`;

/** @returns {Promise<import("./probe.d.mts").Python | undefined>} undefined when there is no working python3 */
export async function probePython(env = process.env) {
  const { code, stdout } = await run("python3", ["-c", PROBE], { env, timeoutMs: 60_000 });
  if (code !== 0) return undefined;
  try {
    const { version, executable, torch, pip } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
    return { version, executable, torch: torch ?? undefined, pip };
  } catch {
    return undefined;
  }
}
