/**
 * What learns how fast: parameters by their depth. With plain SGD at rate 1 and no clipping a weight moves by its gradient
 * times its own factor, so both are seen by themselves.
 */
import { describe, expect, test } from "vitest";
import type { NativeOptimizerOptions, NativeRegularizerOptions } from "#dist/native/binding.js";
import { expectNear } from "../support/numbers.js";
import { examplesOf, modelNames, weightsOf, withTiny } from "../support/tiny-models.js";

const sgd = { type: "sgd", weightDecay: 0, clipNorm: 0 } as const;
const IDS = [3, 14, 15, 9, 26, 5];
const regularizer = {
  ...{ type: "r-at", forwards: 2, epsilon: [1], klWeight: 0.5 },
  ...{ cleanDropout: 0.1, forwardDropout: [0.3] },
} as const satisfies Partial<NativeRegularizerOptions>;

/** How far a step moves every weight. */
function moves(name: string, optimizer: Partial<NativeOptimizerOptions>) {
  return withTiny(name, { regularizer, optimizer: { ...sgd, ...optimizer } }, async (trainer) => {
    const before = await weightsOf(trainer);
    const result = await trainer.trainStep(examplesOf(IDS), 1, 1);
    const after = await weightsOf(trainer);
    const entries = [...before].map(([key, values]) => {
      return [key, values.map((value, i) => (after.get(key)?.[i] ?? Number.NaN) - value)] as const;
    });
    return { result, moved: new Map(entries) };
  });
}

/** 0: embeddings, then the layers from below, then the head. */
function depthOf(model: string, parameter: string): number {
  const layers: Record<string, number> = { bilstm: 2, bert: 2, albert: 3, distilbert: 2 };
  const top = (layers[model] ?? 1) + 1;
  if (/^embedding\.|embeddings|hidden_mapping_in/.test(parameter)) return 0;
  if (/classifier|pooler/.test(parameter)) return top;
  // ALBERT's layers 0 and 1 have one set of weights, layer 2 the other.
  const albert = /albert_layer_groups\.(\d)/.exec(parameter)?.[1];
  if (albert !== undefined) return albert === "0" ? 1 : 3;
  return 1 + Number(/_l(\d)|layers?\.(\d)/.exec(parameter)?.slice(1).find(Boolean) ?? 0);
}

describe.each(modelNames)("%s", (name) => {
  test("learns by depth", async () => {
    const decay = 0.5;
    const [all, scaled] = [await moves(name, {}), await moves(name, { layerDecay: decay })];
    expect(scaled.result).toEqual(all.result);
    const top = Math.max(...[...all.moved.keys()].map((key) => depthOf(name, key)));
    for (const [key, move] of all.moved) {
      const factor = decay ** (top - depthOf(name, key));
      expectNear(
        scaled.moved.get(key),
        move.map((value) => factor * value),
        5e-13,
        (i) => `${key}[${i}]`,
      );
    }
  });

  test("leaves what is frozen as it is, and δ its gradient", async () => {
    const all = await moves(name, {});
    for (const frozenDepths of [1, 2]) {
      const { result, moved } = await moves(name, { frozenDepths });
      const { loss, cleanLoss, adversarialLoss, klLoss, deltaNorm } = all.result;
      expect(result).toMatchObject({ loss, cleanLoss, adversarialLoss, klLoss, deltaNorm });
      expect(result.gradNorm).toBeLessThan(all.result.gradNorm);
      for (const [key, move] of moved) {
        const expected = depthOf(name, key) < frozenDepths ? move.map(() => 0) : all.moved.get(key);
        expect(move, key).toEqual(expected);
      }
    }
  });
});

test("there must be something to learn", async () => {
  await withTiny("textcnn", { optimizer: { ...sgd, frozenDepths: 3 } }, async (trainer) => {
    await expect(trainer.parameters()).rejects.toMatchObject({ code: "ERR_RAT_INVALID_ARG" });
  });
});

test.each(["adamw", "bertadam", "sgd"] as const)("%s at layerDecay 1 is %s without", async (type) => {
  const optimizer = { type, weightDecay: 0.1, clipNorm: 1 };
  expect(await moves("bert", { ...optimizer, layerDecay: 1 })).toEqual(await moves("bert", optimizer));
});

test.each([0, -1, 1.5, Number.NaN])("layerDecay %d is refused", (layerDecay) => {
  const made = withTiny("textcnn", { optimizer: { ...sgd, layerDecay } }, () => Promise.resolve());
  return expect(made).rejects.toMatchObject({ code: "ERR_RAT_INVALID_ARG" });
});
