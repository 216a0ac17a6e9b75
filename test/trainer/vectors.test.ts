/** Models that start from word vectors. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { TrainerOptions } from "#dist/trainer/options.js";
import type { RATTrainer } from "#dist/trainer/rat-trainer.js";
import { readSafetensors } from "../support/safetensors.js";
import { expectRATError, temporaryFolder, toyTokenizer, toyTrainer } from "./toy.js";

const SIZE = 16;
const vectorOf = (value: number) => new Array<number>(SIZE).fill(value);

/** A file of vectors whose numbers are all the same. */
async function vectorsFile(words: Readonly<Record<string, number>>): Promise<string> {
  const file = join(await temporaryFolder(), "vectors.txt");
  const rows = Object.entries(words).map(([word, value]) => `${word} ${vectorOf(value).join(" ")}\n`);
  await writeFile(file, rows.join(""));
  return file;
}

async function weightsOf(trainer: RATTrainer): Promise<Map<string, Float64Array>> {
  const folder = join(await temporaryFolder(), "model");
  await trainer.save(folder);
  return readSafetensors(join(folder, "model.safetensors"));
}

function listening() {
  const said: string[] = [];
  const warned: string[] = [];
  const logger = { info: (text: string) => said.push(text), warn: (text: string) => warned.push(text) };
  return { said, warned, logger };
}

describe("vectors", () => {
  it.each(["fp32", "fp64"] as const)(
    "take the place of the words' rows and of nothing else (%s)",
    async (precision) => {
      const vectors = await vectorsFile({ fine: 0.5, AWFUL: 0.25, absent: 1, "[PAD]": 9 });
      const { said, warned, logger } = listening();
      await using trainer = await toyTrainer({ vectors, logger, precision });
      await using random = await toyTrainer({ precision });
      const [filled, initial] = [await weightsOf(trainer), await weightsOf(random)];
      const expected = initial.get("embedding.weight") ?? new Float64Array();
      const tokenizer = await toyTokenizer();
      expected.set(vectorOf(0.5), (tokenizer.tokenToId("fine") ?? -1) * SIZE);
      expected.set(vectorOf(0.25), (tokenizer.tokenToId("awful") ?? -1) * SIZE);
      expect(filled).toEqual(initial);
      expect(expected.subarray(0, SIZE)).toEqual(new Float64Array(SIZE));
      expect(said.join("\n")).toContain(
        `2 of the vocabulary's ${tokenizer.vocabularySize} words have a vector in ${vectors}, which has 4 words`,
      );
      expect(warned).toEqual([]);
    },
  );

  it("are there before the first step, and stand in the record of the run", async () => {
    const vectors = await vectorsFile({ fine: 0.5 });
    await using trainer = await toyTrainer({ vectors });
    const before = await weightsOf(trainer);
    const output = join(await temporaryFolder(), "run");
    await trainer.fit({ maxSteps: 0, output });
    expect(readSafetensors(join(output, "model", "model.safetensors"))).toEqual(before);
    expect(JSON.parse(await readFile(join(output, "config.json"), "utf8"))).toMatchObject({ vectors });
    await trainer.fit({ maxSteps: 1 });
    expect(await weightsOf(trainer)).not.toEqual(before);
  });

  it("without a word in common are warned of, with a logger or without", async () => {
    const vectors = await vectorsFile({ nirgends: 1 });
    const { warned, logger } = listening();
    await using trainer = await toyTrainer({ vectors, logger });
    expect(warned.join("\n")).toMatch(/NO WORD OF THE VOCABULARY .*vectors\.txt/);
    const warning = new Promise<Error>((resolve) => process.once("warning", resolve));
    await using quiet = await toyTrainer({ vectors });
    expect(await warning).toMatchObject({ name: "RATWarning", message: warned[0] });
    expect(await weightsOf(quiet)).toEqual(await weightsOf(trainer));
  });
});

describe("misuse", () => {
  const refused = (options: Partial<TrainerOptions>) => () => toyTrainer(options);

  it("bad call - vectors of another width, a damaged row, no such file", async () => {
    const wide = join(await temporaryFolder(), "wide.txt");
    await writeFile(wide, `fine ${vectorOf(1).join(" ")} 2\n`);
    await expectRATError(
      refused({ vectors: wide }),
      "ERR_RAT_DATA_FORMAT",
      /wide\.txt:1: "fine" has 17 numbers, the model's embeddings 16/,
    );
    const damaged = await vectorsFile({ fine: 1, awful: 2 });
    await writeFile(damaged, `${await readFile(damaged, "utf8")}w1 0.1 0.2\n`);
    const error = await expectRATError(
      refused({ vectors: damaged }),
      "ERR_RAT_DATA_FORMAT",
      /:3: "w1" has 2/,
    );
    expect(error.details).toMatchObject({ file: damaged, line: 3 });
    await expectRATError(refused({ vectors: "/no/such/vectors.txt" }), "ERR_RAT_PATH", /does not exist/);
  });

  it("bad call - vectors for the model of a folder", async () => {
    const folder = join(await temporaryFolder(), "model");
    await using trainer = await toyTrainer();
    await trainer.save(folder);
    const vectors = await vectorsFile({ fine: 1 });
    await expectRATError(
      refused({ model: { path: folder }, tokenizer: undefined, vectors }),
      "ERR_RAT_CONFIG",
      /vectors are for new models/,
    );
    await expectRATError(refused({ vectors: "" }), "ERR_RAT_CONFIG", /vectors/);
  });

  it("bad call - a signal that aborts while they are read", async () => {
    const file = join(await temporaryFolder(), "vectors.txt");
    await writeFile(file, `word ${vectorOf(0.123456).join(" ")}\n`.repeat(100_000));
    const controller = new AbortController();
    const creating = toyTrainer({ vectors: file, signal: controller.signal });
    setTimeout(() => controller.abort("enough"), 30);
    const error = await expectRATError(() => creating, "ERR_RAT_ABORTED");
    expect(error.cause).toBe("enough");
  });
});
