/** Real GloVe vectors, where they lie beside the repository (`../shared/vectors`). Says so where they are absent. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { fillEmbeddings } from "#dist/models/initial-embeddings.js";
import { trainTokenizer } from "#dist/tokenizers/word-vocabulary.js";

const VECTORS = fileURLToPath(new URL("../../../shared/vectors", import.meta.url));
const present = existsSync(VECTORS);
if (!present) console.warn(`${VECTORS} is absent: real word vectors are not tested`);

describe.runIf(present)("real word vectors", () => {
  it.each([
    ["glove.300d.top.txt.gz", 300, 596],
    ["glove.100d.171w.txt", 100, 171],
  ])("%s has the words that its README counts, and they fill rows", async (name, size, count) => {
    const text = "the accountant , and nowheretobefound";
    await using tokenizer = await trainTokenizer([{ text }], { minimumCount: 1 });
    const norms = new Map<number, number>();
    const { words, found } = await fillEmbeddings(`${VECTORS}/${name}`, {
      tokenizer,
      size,
      write: async (ids, values) => {
        for (const [row, id] of ids.entries()) {
          norms.set(id, Math.hypot(...values.subarray(row * size, (row + 1) * size)));
        }
      },
    });
    expect(words).toBe(count);
    expect(found).toBeGreaterThan(0);
    expect(norms.size).toBe(found);
    for (const norm of norms.values()) {
      expect(norm).toBeGreaterThan(1);
      expect(norm).toBeLessThan(15);
    }
    expect(norms.has(tokenizer.tokenToId("nowheretobefound") ?? -1)).toBe(false);
  });
});
