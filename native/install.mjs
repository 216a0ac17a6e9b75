// The set-up step: finds or fetches LibTorch and builds the addon. `npm install` runs it, and `r-at setup` at any time
// (with --force). Plain JavaScript, because it runs before any TypeScript is built.
//
//   --force              build even if the stamp says that nothing changed; a failure is exit 1 wherever this runs
//   RAT_SKIP_INSTALL=1   `npm install` does nothing here
//   RAT_LIBTORCH         a LibTorch folder to use (also LIBTORCH)
//   RAT_LIBTORCH_URL     an archive to fetch, with RAT_LIBTORCH_SHA256
//   RAT_CACHE            the cache folder; default r-at in XDG_CACHE_HOME or ~/.cache
//   RAT_CUDA             OFF: a CPU build whatever is there; ON: fail unless CUDA can be compiled
import { sep } from "node:path";
import { fileURLToPath } from "node:url";
import { buildAddon, decideCuda, prune, releaseFolder, sourcesOf } from "./setup/build.mjs";
import { fetchLibTorch } from "./setup/fetch.mjs";
import { isTested, PINNED } from "./setup/libtorch.mjs";
import { probeMachine, ROOT } from "./setup/probe.mjs";
import { SetupProblem } from "./setup/problem.mjs";
import { isUpToDate } from "./setup/stamp.mjs";
import { requireToolchain } from "./setup/toolchain.mjs";

const force = process.argv.includes("--force");
const isDependency = ROOT.split(sep).includes("node_modules");
/** The command that runs set-up again: what every remedy ends in. */
const again = isDependency ? "npx r-at setup" : "npm run build:native";

const say = (message) => console.log(`r-at: ${message}`);
const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

async function main() {
  const env = process.env;
  const started = Date.now();
  requireNode();
  const machine = await probeMachine(env);
  if (machine.problem) throw new SetupProblem(machine.problem.message, machine.problem.remedy);
  for (const { from, path, taken, reason } of machine.candidates) {
    say(`LibTorch from ${from}, ${path}: ${taken ? "taken" : "passed over"}; ${reason}`);
  }
  say(`looked at the machine in ${seconds(started)}`);

  const { driver, python, tools } = machine;
  // Before anything large is fetched: what is missing for the build is missing afterwards too.
  requireToolchain(tools, again);
  const libtorch = machine.chosen?.libtorch ?? (await fetchOne({ env, driver, python, tools }));
  if (!isTested(libtorch.version)) {
    warn(`LibTorch ${libtorch.version} is supported but not tested with this package; ${PINNED} is.`);
  }

  const { cuda, reason, warn: loud } = decideCuda({ libtorch, tools, driver, env });
  if (loud) warn(`This is a CPU-ONLY build: ${reason}`);
  const kind = cuda ? "CUDA" : "CPU";
  if (!force && isUpToDate(releaseFolder(ROOT), { libtorch, cuda, sources: sourcesOf(ROOT) })) {
    say(`the addon (${kind}, LibTorch ${libtorch.version}) is up to date; nothing to build`);
    return;
  }
  say(`building the addon (${kind}) against LibTorch ${libtorch.version}; this takes a few minutes`);
  const took = await buildAddon({ root: ROOT, libtorch, cuda, tools, again });
  // Who develops r-at builds again; who uses it wants the space.
  if (isDependency) prune(ROOT);
  say(`built in ${took.build.toFixed(1)} s, loaded to prove it in ${took.check.toFixed(1)} s`);
  say(`ready: ${kind}, LibTorch ${libtorch.version}, ${seconds(started)} in all`);
}

/** As `engines` of package.json has it, which npm only warns of. */
function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if ((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22) return;
  throw new SetupProblem(
    `Node ${process.versions.node} is too old: r-at needs ^20.19 or >=22.12.`,
    `npx node@24 '${fileURLToPath(import.meta.url)}' --force`,
  );
}

async function fetchOne(context) {
  const started = Date.now();
  say("no LibTorch on this machine fits, so one is fetched, once, into the cache");
  const { from, libtorch } = await fetchLibTorch({ ...context, again, say });
  say(`fetched LibTorch ${libtorch.version} (${from}) in ${seconds(started)}: ${libtorch.path}`);
  return libtorch;
}

function warn(message) {
  const line = "*".repeat(78);
  console.warn(`${line}\nr-at: ${message}\n${line}`);
}

function explain(error) {
  console.error(`\nr-at: set-up failed: ${error instanceof SetupProblem ? error.message : error.stack}`);
  if (error.tried?.length > 0)
    console.error(`r-at: tried:\n${error.tried.map((line) => `  - ${line}`).join("\n")}`);
  console.error(`r-at: to mend it, run:  ${error.remedy ?? again}\n`);
}

if (process.env.RAT_SKIP_INSTALL === "1" && !force) {
  say(`RAT_SKIP_INSTALL=1: nothing is set up; ${again} does it later`);
} else {
  try {
    await main();
  } catch (error) {
    explain(error);
    if (isDependency && !force) {
      // The package can still be installed and set up later; failing somebody's whole installation helps nobody.
      console.error(
        "r-at: the installation goes on; until this is mended the package cannot train or predict.",
      );
    } else {
      process.exitCode = 1;
    }
  }
}
