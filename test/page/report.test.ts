/** `r-at report`: what stands in the page of a run and of an experiment, and what lies beside it. */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseOnlyLine, run, temporaryFolder } from "../cli/cli.js";
import { toyTraining, writeToy } from "../experiment/toy.js";

let temporary: Awaited<ReturnType<typeof temporaryFolder>>;
let trained: string;
let compared: string;

beforeAll(async () => {
  temporary = await temporaryFolder();
  const file = await writeToy(join(temporary.folder, "data"));
  trained = join(temporary.folder, "run");
  compared = join(temporary.folder, "compare");
  const all = await Promise.all([
    run(toyTraining(join(temporary.folder, "data"), trained)),
    run(["experiment", "compare", file, "--output", compared]),
  ]);
  expect(all.map(({ code, stderr }) => (code === 0 ? "" : stderr))).toEqual(["", ""]);
});
afterAll(() => temporary.clean());

describe("of a run", () => {
  let page: string;
  let written: {
    readonly output: string;
    readonly plots: readonly string[];
    readonly events: readonly string[];
  };
  beforeAll(async () => {
    const { code, stdout, stderr } = await run(["report", trained, "--tensorboard", "--json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    written = parseOnlyLine(stdout) as unknown as typeof written;
    page = await readFile(written.output, "utf8");
  });

  test("is one file that asks nobody for anything", () => {
    const addresses = [...page.matchAll(/(?:src|href|url|@import)\s*[=(]\s*["']?([^"')\s>]+)/g)].map(
      ([, to]) => to,
    );
    expect(addresses.filter((to) => !to?.startsWith("#"))).toEqual([]);
    expect(page).not.toMatch(/<script|<link|<iframe|\son\w+=/);
  });

  test("has result, curves, diagnostics, confusion, calibration, mistakes and how to make it again", () => {
    expect(
      written.plots.filter((path) => path.endsWith(".svg")).map((path) => path.split("/").at(-1)),
    ).toEqual([
      ...[
        "losses.svg",
        "metrics.svg",
        "gradient.svg",
        "rate.svg",
        "flatness.svg",
        "divergence.svg",
        "gap.svg",
      ],
      ...["confusion-dev.svg", "calibration-dev.svg"],
    ]);
    for (const words of [
      "Size of the perturbation (‖δ‖₂): 1 in every step",
      "surest of",
      "r-at train --config",
      "SHA-256",
    ])
      expect(page).toContain(words);
  });

  test("can be used without seeing it: headings, names of pictures, their numbers, keys", () => {
    const pictures = page.match(/<div class="(?:light|dark)" role="img" aria-label="[^"]{20,}">/g) ?? [];
    expect(pictures).toHaveLength(2 * 9);
    expect(page.match(/<details><summary>The numbers<\/summary>/g)).toHaveLength(9);
    expect(page.match(/<table/g)?.length).toBe(
      page.match(/class="scroll" role="region" aria-label="[^"]+" tabindex="0"/g)?.length,
    );
    expect(page.match(/<svg(?![^>]*aria-hidden="true")/g)).toBeNull();
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
  });

  test("lies beside pictures and event files", async () => {
    const png = await readFile(join(trained, "plots/losses.png"));
    expect(png.subarray(0, 8).toString("hex")).toBe("89504e470d0a1a0a");
    expect(png.readUInt32BE(16)).toBeGreaterThan(800); // twice its size
    expect(await readFile(join(trained, "plots/losses.svg"), "utf8")).toMatch(
      /^<svg [\s\S]*total[\s\S]*<\/svg>$/,
    );
    expect(written.events).toHaveLength(1);
    expect(await readdir(join(trained, "tensorboard"))).toHaveLength(1);
  });

  test("is made without the model too, and says what it lacks", async () => {
    await rm(join(trained, "model"), { recursive: true });
    const output = join(temporary.folder, "without.html");
    expect((await run(["report", trained, "--output", output, "--no-plots"])).code).toBe(0);
    expect(await readFile(output, "utf8")).toContain("There is no model in the folder");
  });
});

describe("of an experiment", () => {
  test("has its table, gains, curves over the seeds and command", async () => {
    const { code, stdout } = await run(["report", compared]);
    expect(code).toBe(0);
    const page = await readFile(stdout.trim(), "utf8");
    expect(page).toContain("<h1>Toy</h1>");
    for (const words of [
      "Gains, seed by seed",
      "R-AT without KL",
      "textcnn, custom",
      "r-at experiment compare",
    ])
      expect(page).toContain(words);
    expect(await readdir(join(compared, "plots"))).toEqual([
      "dev-textcnn-custom.png",
      "dev-textcnn-custom.svg",
    ]);
  });
});

test("a folder that holds neither is named", async () => {
  const { code, stderr } = await run(["report", temporary.folder]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/ERR_RAT_PATH: .* holds no run: there is no config.json/);
});
