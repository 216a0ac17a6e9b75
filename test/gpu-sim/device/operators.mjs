// Which ATen operators have a kernel for CUDA, and which of them let tensors be on different devices: a table for
// backend.cc, from the native_functions.yaml that every torch wheel carries. The file is so regular that no YAML reader is
// needed.
//   node operators.mjs LIBTORCH > cuda_ops.inc
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const YAML = "torchgen/packaged/ATen/native/native_functions.yaml";

/** @returns {Map<string, { keys: Set<string>, delegate?: string, checksDevices: boolean }>} by name and overload */
export function parseOperators(yaml) {
  const operators = new Map();
  let operator;
  let inDispatch = false;
  for (const line of yaml.split("\n")) {
    const start = /^- func: ([\w.]+)\(/.exec(line);
    if (start) {
      operator = { keys: new Set(), delegate: undefined, checksDevices: true };
      operators.set(start[1], operator);
      inDispatch = false;
    }
    if (!operator || start) continue;
    if (/^ {2}\w/.test(line)) inDispatch = line.startsWith("  dispatch:");
    const delegate = /^ {2}structured_delegate: ([\w.]+)/.exec(line);
    if (delegate) operator.delegate = delegate[1];
    if (line.startsWith("  device_check: NoCheck")) operator.checksDevices = false;
    if (line.startsWith("  ufunc_inner_loop:")) operator.keys.add("CUDA");
    const keys = inDispatch && /^ {4}([\w, ]+):/.exec(line);
    if (keys) for (const key of keys[1].split(",")) operator.keys.add(key.trim());
  }
  return operators;
}

function main() {
  const libtorch = process.argv[2];
  const path = join(dirname(libtorch), YAML);
  if (!existsSync(path)) {
    console.error(`${path} is missing: the simulated device needs a LibTorch that came as a torch wheel`);
    process.exit(1);
  }
  const operators = parseOperators(readFileSync(path, "utf8"));
  const hasKernel = ({ keys, delegate }) =>
    keys.has("CUDA") || (delegate !== undefined && hasKernel(operators.get(delegate)));
  console.log("// {operator, whether its tensors must be on one device}");
  for (const [name, operator] of [...operators].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (hasKernel(operator)) console.log(`{"aten::${name}", ${operator.checksDevices}},`);
}

main();
