/**
 * Launches, copies and waits of one training step, as the simulated device counts them, in a table that this test holds:
 * `step-counts.md`. A change of the table is a change of what a GPU does; `vitest -u` writes it.
 */
import { expect, test } from "vitest";
import type { NativeRegularizerOptions } from "#dist/native/binding.js";
import { examplesOf, modelNames, tinyModels, withTiny } from "../support/tiny-models.js";
import { type DeviceEvent, describeEvents, startLog } from "./log.js";

const { eventsOf } = startLog();

const methods: Readonly<Record<string, Partial<NativeRegularizerOptions>>> = {
  none: { type: "none", cleanDropout: 0.1 },
  "r-at": {
    ...{ type: "r-at", forwards: 2, epsilon: [0.5], klWeight: 0.5 },
    ...{ cleanDropout: 0.1, forwardDropout: [0.1, 0.1] },
  },
};
const climb = {
  ...{ epsilon: [0.5], ascentSteps: 2, stepSize: 0.2, klWeight: 0.5 },
  ...{ cleanDropout: 0.1, forwardDropout: [0.1], sparedTokens: Int32Array.of(3) },
};
const climbing: typeof methods = {
  pgd: { ...climb, type: "pgd", scope: "example" },
  "freelb from noise": { ...climb, type: "freelb", scope: "example", ascentInit: "uniform" },
  "freelb by matrix": { ...climb, type: "freelb", ascentInit: "uniform" },
  r3f: { ...climb, type: "r3f", noise: "normal" },
  smart: { ...climb, type: "smart", scope: "example", consistency: "js" },
  "smart with Bregman": { ...climb, type: "smart", scope: "example", bregmanWeight: 1, bregmanDecay: 0.9 },
};
const optimizer = { type: "adamw", weightDecay: 0.01, clipNorm: 1 } as const;

/**
 * What the device was given in the second step, when everything that is made once is there, and in the third, when the second was
 * recorded if it can be.
 */
async function laterSteps(
  model: string,
  method: string,
  read = true,
): Promise<[DeviceEvent[], DeviceEvent[]]> {
  const regularizer = { ...methods, ...climbing }[method] ?? {};
  const options = { regularizer, optimizer, device: "cuda:0", precision: "fp32" } as const;
  return withTiny(model, options, async (trainer) => {
    const { tokens, ...batch } = examplesOf([0, 1, 2, 3, 4, 5, 6, 7]);
    const reads = (tinyModels[model]?.encoder?.tokenTypes ?? 0) > 1;
    const types = reads && { tokenTypes: Uint8Array.from(tokens, (_, i) => i % 2) };
    const step = (number: number) =>
      trainer.trainStep({ ...batch, tokens, ...types }, number, 0.01, { read });
    await step(1);
    return [await eventsOf(() => step(2)), await eventsOf(() => step(3))];
  });
}

const HEAD = [
  "Device work of one training step of the smallest models, counted on the simulated device (LibTorch 2.13, fp32, AdamW with",
  "clipping). Operators are LibTorch's, and are one launch or more on a GPU; on a GPU cuDNN takes the place of the many that",
  "recurrent layers have here. Where the step is of a size that was there before, all of it is one graph, and the last column is",
  "what the host still calls: the graph, what brings the batch to the graph's memory, and what reads the losses. `vitest -u`",
  "writes this file.",
  "",
  "| model | method | operators | own launches | copies to the device | copies to the host | waits | calls with a graph |",
  "|---|---|---:|---:|---:|---:|---:|---:|",
];

test("a step copies once to the device, waits once, for its losses, and launches what the table says", async () => {
  const rows: string[] = [];
  for (const model of modelNames)
    for (const method of Object.keys(methods)) {
      const [events, later] = await laterSteps(model, method);
      const of = (kind: DeviceEvent["kind"]) => events.filter((event) => event.kind === kind);
      const graphs = later.filter(({ kind }) => kind === "graph").length;
      expect(graphs, model).toBe(["bilstm", "texthan"].includes(model) ? 0 : 1);
      const calls = later.filter(({ kind }) => ["graph", "operator", "launch"].includes(kind)).length;
      const message = (kind: DeviceEvent["kind"]) => `${model}, ${method}:\n${describeEvents(of(kind))}`;
      expect(of("sync").length, message("sync")).toBe(1);
      expect(of("d2h").length, message("d2h")).toBe(1);
      expect(of("h2d-blocking").length, message("h2d-blocking")).toBe(0);
      expect(of("h2d").length, message("h2d")).toBe(1);
      expect(of("nondeterministic").length, message("nondeterministic")).toBe(0);
      const counts = [of("operator"), of("launch"), of("h2d"), of("d2h"), of("sync")];
      const lengths = counts.map(({ length }) => length);
      rows.push(`| ${[model, method, ...lengths, graphs === 0 ? "" : calls].join(" | ")} |`);
    }
  await expect(`${[...HEAD, ...rows].join("\n")}\n`).toMatchFileSnapshot("step-counts.md");
});

test("a prediction copies once to the device and waits once", async () => {
  for (const model of modelNames)
    await withTiny(model, { device: "cuda:0", precision: "fp32" }, async (trainer) => {
      const { labels: _, ...batch } = examplesOf([0, 1, 2, 3]);
      await trainer.predict(batch);
      const events = await eventsOf(() => trainer.predict(batch));
      const unwanted = events.filter(({ kind }) => !["operator", "launch"].includes(kind));
      expect(unwanted.map(({ kind }) => kind).sort(), `${model}:\n${describeEvents(unwanted)}`).toEqual([
        "d2h",
        "h2d",
        "sync",
      ]);
    });
});

test("a step that nobody reads never waits, whatever the regularizer", async () => {
  for (const model of modelNames)
    for (const method of Object.keys({ ...methods, ...(model === "textcnn" && climbing) })) {
      const events = (await laterSteps(model, method, false)).flat();
      const waits = events.filter(({ kind }) => ["sync", "d2h", "h2d-blocking"].includes(kind));
      expect(waits.length, `${model}, ${method}:\n${describeEvents(waits)}`).toBe(0);
    }
});

test.each([
  ["bf16", "_flash_attention_forward"],
  ["fp32", "_efficient_attention_forward"],
  ["fp64", undefined],
] as const)(
  "a prediction in %s takes LibTorch's attention, once a layer, and a step ours",
  async (precision, name) => {
    const { bert } = tinyModels;
    if (!bert?.encoder) throw new Error("bert is no encoder");
    const model = { hiddenSize: 16, embeddingSize: 16, encoder: { ...bert.encoder, heads: 2 } };
    await withTiny("bert", { device: "cuda:0", precision, model }, async (trainer) => {
      const attentionOf = async (work: () => Promise<unknown>) =>
        (await eventsOf(work)).map(({ what }) => what).filter((what) => what.endsWith("_attention_forward"));
      const batch = examplesOf([0, 1, 2, 3]);
      expect(await attentionOf(() => trainer.predict(batch))).toEqual(name ? [name, name] : []);
      expect(await attentionOf(() => trainer.trainStep(batch, 1, 0.1))).toEqual([]);
    });
  },
);
