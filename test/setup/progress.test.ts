/** What is said while the addon compiles, and what is left when it has. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { prune } from "../../native/setup/build.mjs";
import { CompilerProgress } from "../../native/setup/progress.mjs";
import { temporaryFolder } from "../trainer/toy.js";

it.each([
  [
    ["[ 4/64] Building CXX object CMakeFiles/rat.dir/native/core/batch.cc.o"],
    "4 of 64 steps, last core/batch.cc",
  ],
  [["[ 12%] Building CXX object CMakeFiles/rat.dir/native/optim/adamw.cc.o"], "12 %, last optim/adamw.cc"],
  [["[64/64] Linking CXX shared module Release/rat.node", "warning: x"], "64 of 64 steps"],
  [["-- Detecting CXX"], "the precompiled header first"],
])("says how far it is: %j", async (lines, expected) => {
  const said: string[] = [];
  const progress = new CompilerProgress({ say: (line) => said.push(line), everyMs: 20 });
  for (const line of lines) progress.take(line);
  await sleep(50);
  progress.stop();
  expect(said[0]).toBe(`compiling for 0 min, ${expected}`);
  const { length } = said;
  await sleep(40);
  expect(said).toHaveLength(length);
});

it("says nothing of what is over within a minute", async () => {
  const said: string[] = [];
  const progress = new CompilerProgress({ say: (line) => said.push(line) });
  progress.take("[1/2] Building CXX object a/b.cc.o");
  await sleep(30);
  progress.stop();
  expect(said).toEqual([]);
});

it("a dependency keeps what runs alone", async () => {
  const root = await temporaryFolder();
  for (const name of [
    "CMakeFiles/rat.dir/cmake_pch.hxx.gch",
    "build.ninja",
    "Release/rat.node",
    "Release/rat.stamp.json",
    "Release/variables.node",
  ]) {
    mkdirSync(join(root, "build", name, ".."), { recursive: true });
    writeFileSync(join(root, "build", name), "x");
  }
  prune(root);
  expect(readdirSync(join(root, "build"))).toEqual(["Release"]);
  expect(readdirSync(join(root, "build/Release")).sort()).toEqual(["rat.node", "rat.stamp.json"]);
});
