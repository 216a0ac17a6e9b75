/** Event files as TensorBoard's own reader has them. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventFile } from "#dist/page/event-file.js";
import { hasModule, python } from "./python.js";

const hasTensorBoard = hasModule("tensorboard");
if (!hasTensorBoard) console.warn("the Python has no tensorboard: event files are not read back");

test.skipIf(!hasTensorBoard)("TensorBoard reads every number of a long file back", async () => {
  const folder = await mkdtemp(join(tmpdir(), "r-at-events-"));
  try {
    const scalars = Array.from({ length: 2000 }, (_, i) => ({
      ...{ tag: i % 2 === 0 ? "train/loss" : "dev/ε", step: i * 1000, value: Math.fround(Math.sin(i)) },
    }));
    await writeFile(join(folder, "events.out.tfevents.1700000000.r-at"), eventFile(scalars, 1_700_000_000));
    const expected: Record<string, [number, number][]> = {};
    for (const { tag, step, value } of scalars) {
      expected[tag] ??= [];
      expected[tag].push([step, value]);
    }
    expect(JSON.parse(python("read_events.py", [folder]))).toEqual(expected);
  } finally {
    await rm(folder, { recursive: true });
  }
});
