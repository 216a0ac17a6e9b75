/** Top layers that start anew: drawn from the seed, with all below them the folder's. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadFolderWeights } from "#dist/inference/load-weights.js";
import { nativeModel } from "#dist/models/config.js";
import { readModelFolder } from "#dist/models/folder.js";
import { native } from "#dist/native/binding.js";
import { folderOf } from "../support/encoders.js";
import { readSafetensors } from "../support/safetensors.js";

/** The weights of a folder's model whose top layers are new. */
async function weightsWith(
  family: string,
  freshLayers: number,
  seed = 3,
): Promise<Map<string, Float64Array>> {
  const folder = await readModelFolder(folderOf({ family, kind: "classification" }));
  const model = new (native().Trainer)({
    model: nativeModel(folder.config, 1, freshLayers),
    ...{ kind: "classification", seed, device: "cpu", precision: "fp32", threads: 1 },
  });
  const output = mkdtempSync(join(tmpdir(), "rat-reinit-"));
  try {
    const options = { resetHead: false, newHead: false, freshLayers, logger: undefined };
    await loadFolderWeights(model, folder, options);
    await model.save("model", join(output, "weights.safetensors"), {});
    return readSafetensors(join(output, "weights.safetensors"));
  } finally {
    await model.dispose();
    rmSync(output, { recursive: true });
  }
}

const changed = (a: Map<string, Float64Array>, b: Map<string, Float64Array>) =>
  [...a.keys()].filter((name) => a.get(name)?.join() !== b.get(name)?.join());

test.each(["bert", "roberta", "distilbert", "electra"])(
  "the top layer of a %s and what is above it",
  async (family) => {
    const [loaded, fresh] = [await weightsWith(family, 0), await weightsWith(family, 1)];
    const other = changed(loaded, fresh);
    expect(other.length).toBeGreaterThan(8);
    for (const name of other) expect(name).toMatch(/layer\.1\.|pooler|dense|pre_classifier/);
    for (const [name, values] of fresh)
      if (/layer\.1\..*([Ll]ayer_?[Nn]orm|layer_norm)\.weight/.test(name))
        expect(new Set(values)).toEqual(new Set([1]));
    expect(changed(fresh, await weightsWith(family, 1))).toEqual([]);
    expect(changed(fresh, await weightsWith(family, 1, 4)).length).toBeGreaterThan(0);
    // All layers.
    for (const name of changed(fresh, await weightsWith(family, 2))) expect(name).toMatch(/layer\.0\./);
  },
);

test("layers that share their weights start anew together", async () => {
  const other = changed(await weightsWith("albert", 0), await weightsWith("albert", 1));
  expect(other.some((name) => name.includes("albert_layer_groups"))).toBe(true);
  expect(other.some((name) => name.includes("embeddings"))).toBe(false);
});

test("bad call - more layers than there are", async () => {
  await expect(weightsWith("bert", 3)).rejects.toMatchObject({ code: "ERR_RAT_INVALID_ARG" });
});
