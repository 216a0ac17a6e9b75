/** How LibTorch gets into the cache: the wheels in their order, and an archive with its hash. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { fetchLibTorch, wheelPlans } from "../../native/setup/fetch.mjs";
import { probeMachine } from "../../native/setup/probe.mjs";
import { type FakeMachine, fakeLibTorch, fakeMachine, pythonAnswer } from "./machine.js";

async function fetchOn(env: NodeJS.ProcessEnv): Promise<{ path: string; said: string[] }> {
  const said: string[] = [];
  const { python, driver, tools } = await probeMachine(env);
  const say = (message: string) => void said.push(message);
  const { libtorch } = await fetchLibTorch({ env, python, driver, tools, again: "npx r-at setup", say });
  return { path: libtorch.path, said };
}

/** A python3 whose pip refuses all but requests that match `accepts`, and writes every request down. */
async function withPip(machine: FakeMachine, accepts: string): Promise<string> {
  const wheel = await fakeLibTorch(join(machine.folder, "wheel/torch"));
  const log = join(machine.folder, "pip.log");
  await machine.program(
    "python3",
    `if [ "$1" = -c ]; then ${pythonAnswer(null, "3.12")}; exit; fi
     echo "$*" >> '${log}'
     case "$*" in ${accepts}) ;; *) echo 'ERROR: No matching distribution' >&2; exit 1;; esac
     while [ "$1" != --target ]; do shift; done
     /bin/cp -r '${wheel}' "$2"`,
  );
  return log;
}

describe("the wheels", () => {
  it("are the CPU build as pip is configured, then with PyTorch's index, then the default one", () => {
    const args = wheelPlans({ cuda: false, pythonVersion: "3.12", platform: "linux" }).map((plan) =>
      plan.args.join(" "),
    );
    expect(args).toEqual([
      "--no-deps torch==2.13.0+cpu",
      "--no-deps torch==2.13.0+cpu --python-version 3.11",
      "--no-deps torch==2.13.0+cpu --extra-index-url https://download.pytorch.org/whl/cpu",
      "--no-deps torch==2.13.0+cpu --extra-index-url https://download.pytorch.org/whl/cpu --python-version 3.11",
      "--no-deps torch==2.13.0 nvidia-cuda-runtime==13.0.* nvidia-cuda-cupti==13.0.*",
      "--no-deps torch==2.13.0 nvidia-cuda-runtime==13.0.* nvidia-cuda-cupti==13.0.* --python-version 3.11",
    ]);
  });

  it("are tried in that order until one can be had, and the copy appears complete", async () => {
    const machine = await fakeMachine();
    const log = await withPip(machine, "*whl/cpu");
    const { path, said } = await fetchOn(machine.env);
    expect(path).toBe(join(machine.cache, "libtorch/torch-2.13.0-cpu/torch"));
    expect((await readFile(log, "utf8")).trim().split("\n")).toHaveLength(3);
    expect(said[0]).toContain("0.2 GB to fetch");
    // Neither the lock nor a half-made copy is left.
    expect(await readdir(join(machine.cache, "libtorch"))).toEqual(["torch-2.13.0-cpu"]);
  });

  it("are fetched once by set-ups that run at the same time", async () => {
    const machine = await fakeMachine();
    const log = await withPip(machine, "*");
    await Promise.all([fetchOn(machine.env), fetchOn(machine.env)]);
    expect((await readFile(log, "utf8")).trim().split("\n")).toHaveLength(1);
  });

  it("replace what an interrupted set-up left behind", async () => {
    const machine = await fakeMachine();
    await withPip(machine, "*");
    await mkdir(join(machine.cache, "libtorch/.partial-torch-2.13.0-cpu-0/torch"), { recursive: true });
    await mkdir(join(machine.cache, "libtorch/torch-2.13.0-cpu/torch/lib"), { recursive: true });
    await fetchOn(machine.env);
    expect(await readdir(join(machine.cache, "libtorch"))).toEqual(["torch-2.13.0-cpu"]);
  });

  it("expected failure - none can be had: all that was tried is told", async () => {
    const machine = await fakeMachine();
    await withPip(machine, "nothing");
    await expect(fetchOn(machine.env)).rejects.toMatchObject({
      name: "SetupProblem",
      remedy: expect.stringContaining("RAT_LIBTORCH="),
      tried: Array.from({ length: 6 }, () => expect.stringContaining("No matching distribution")),
    });
    expect(await readdir(join(machine.cache, "libtorch"))).toEqual([]);
  });

  it("expected failure - no python3: says what to install", async () => {
    const { env } = await fakeMachine();
    await expect(fetchOn(env)).rejects.toMatchObject({
      message: expect.stringContaining("no python3"),
      name: "SetupProblem",
    });
  });
});

describe("RAT_LIBTORCH_URL", () => {
  /** A tiny official-looking archive and its hash. */
  async function archive(machine: FakeMachine): Promise<{ url: string; sha256: string }> {
    await machine.real("cmake");
    await fakeLibTorch(join(machine.folder, "archive/libtorch"));
    const file = join(machine.folder, "lib törch.zip");
    execFileSync("cmake", ["-E", "tar", "cf", file, "--format=zip", "libtorch"], {
      cwd: join(machine.folder, "archive"),
    });
    const sha256 = createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
    return { url: pathToFileURL(file).href, sha256 };
  }

  it("unpacks the archive into the cache, where it is found again", async () => {
    const machine = await fakeMachine();
    const { url, sha256 } = await archive(machine);
    const env = { ...machine.env, RAT_LIBTORCH_URL: url, RAT_LIBTORCH_SHA256: sha256 };
    const { path } = await fetchOn(env);
    expect(path).toBe(join(machine.cache, `libtorch/archive-${sha256.slice(0, 16)}/libtorch`));
    expect((await probeMachine(env)).chosen?.path).toBe(path);
  });

  it("passes over another copy in the cache", async () => {
    const machine = await fakeMachine();
    const { url, sha256 } = await archive(machine);
    await fakeLibTorch(join(machine.cache, "libtorch/torch-2.13.0-cpu/torch"));
    const { candidates } = await probeMachine({
      ...machine.env,
      RAT_LIBTORCH_URL: url,
      RAT_LIBTORCH_SHA256: sha256,
    });
    expect(candidates).toMatchObject([{ taken: false, reason: "RAT_LIBTORCH_URL asks for another one" }]);
  });

  it("expected failure - a wrong hash: nothing is unpacked", async () => {
    const machine = await fakeMachine();
    const { url, sha256 } = await archive(machine);
    const wrong = "0".repeat(64);
    const fetching = fetchOn({ ...machine.env, RAT_LIBTORCH_URL: url, RAT_LIBTORCH_SHA256: wrong });
    await expect(fetching).rejects.toMatchObject({ message: expect.stringContaining(sha256) });
    await expect(fetching).rejects.toMatchObject({ message: expect.stringContaining(wrong) });
    expect(await readdir(join(machine.cache, "libtorch"))).toEqual([]);
  });

  it("expected failure - an archive without a LibTorch in it is not kept", async () => {
    const machine = await fakeMachine();
    await machine.real("cmake");
    await writeFile(join(machine.folder, "empty.txt"), "");
    execFileSync("cmake", ["-E", "tar", "cf", "x.tar", "empty.txt"], { cwd: machine.folder });
    const file = join(machine.folder, "x.tar");
    const sha256 = createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
    const env = { ...machine.env, RAT_LIBTORCH_URL: pathToFileURL(file).href, RAT_LIBTORCH_SHA256: sha256 };
    await expect(fetchOn(env)).rejects.toMatchObject({ message: expect.stringContaining("cannot be used") });
    expect(await readdir(join(machine.cache, "libtorch"))).toEqual([]);
  });

  it.each([
    ["no hash", { RAT_LIBTORCH_URL: "file:///x.zip" }, "RAT_LIBTORCH_SHA256"],
    [
      "a hash that is none",
      { RAT_LIBTORCH_URL: "file:///x.zip", RAT_LIBTORCH_SHA256: "abc" },
      "64 hexadecimal",
    ],
    ["http:", { RAT_LIBTORCH_URL: "http://example.org/x.zip" }, "file: or https:"],
    ["no URL", { RAT_LIBTORCH_URL: "/x.zip" }, "is not a URL"],
    [
      "no such file",
      { RAT_LIBTORCH_URL: "file:///no/x.zip", RAT_LIBTORCH_SHA256: "0".repeat(64) },
      "does not exist",
    ],
  ])("bad call - %s", async (_name, variables, part) => {
    const machine = await fakeMachine();
    await machine.real("cmake");
    await expect(fetchOn({ ...machine.env, ...variables })).rejects.toMatchObject({
      name: "SetupProblem",
      message: expect.stringContaining(part),
    });
    const copies = join(machine.cache, "libtorch");
    expect(existsSync(copies) ? await readdir(copies) : []).toEqual([]);
  });
});
