/** A simulated run never looks like one on a GPU. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseOnlyLine, run, temporaryFolder, toyRun, writeToyTask } from "../cli/cli.js";

test("summary, configuration, log and doctor name the device cuda-sim:0", async () => {
  const { folder, clean } = await temporaryFolder();
  try {
    await writeToyTask(folder);
    const output = join(folder, "run");
    const flags = ["--device", "cuda:0", "--max-steps", "1", "--json"];
    const { stdout, stderr } = await run(toyRun(folder, output, flags));
    expect(parseOnlyLine(stdout)).toMatchObject({ device: "cuda-sim:0" });
    expect(stderr).toContain("THE DEVICE cuda-sim:0 IS SIMULATED");
    for (const file of ["summary.json", "config.json"])
      expect(JSON.parse(await readFile(join(output, file), "utf8")), file).toMatchObject({
        device: "cuda-sim:0",
      });
    // What was typed says what it said.
    const { provenance: _, ...said } = parseOnlyLine(stdout);
    expect(JSON.stringify(said) + stderr).not.toMatch(/cuda:0/);

    const again = [
      "train",
      "--config",
      join(output, "config.json"),
      "--output",
      join(folder, "again"),
      "--json",
    ];
    expect(parseOnlyLine((await run(again)).stdout)).toMatchObject({ device: "cuda-sim:0" });

    const doctor = await run(["doctor"]);
    expect(doctor.stdout).toMatch(/CUDA build, cuda-sim:0 \(9\.0\), cuda-sim:1 \(9\.0\)/);
    expect(doctor.stdout).toMatch(/WARNING: THE CUDA DEVICES ARE SIMULATED/);
  } finally {
    await clean();
  }
});
