import { expect, it } from "vitest";
import { type Evaluation, EvaluationHistory } from "#dist/run/early-stopping.js";

const at = (step: number, accuracy: number | null, loss = 1): Evaluation => ({
  step,
  epoch: 0,
  loss,
  metrics: { accuracy },
});

function historyOf(values: (number | null)[], patience = Number.POSITIVE_INFINITY) {
  const history = new EvaluationHistory("accuracy", patience);
  values.forEach((value, index) => {
    history.record(at(index + 1, value));
  });
  return history;
}

it("of equals the earlier is best", () => {
  expect(historyOf([0.5, 0.7, 0.7, 0.6]).best?.step).toBe(2);
});

it("an undefined metric is worse than any number", () => {
  expect(historyOf([null, -0.9]).best?.step).toBe(2);
  expect(historyOf([null, null]).best?.step).toBe(1);
});

it("without a metric the lowest loss is best", () => {
  const history = new EvaluationHistory(undefined, 1);
  [3, 1, 2].forEach((loss, index) => {
    history.record(at(index + 1, 0, loss));
  });
  expect(history.best?.step).toBe(2);
});

it("patience counts the evaluations since the best", () => {
  expect(historyOf([0.5, 0.4], 2).isExhausted).toBe(false);
  expect(historyOf([0.5, 0.4, 0.5], 2).isExhausted).toBe(true);
  expect(historyOf([0.5, 0.4, 0.6, 0.6], 2).isExhausted).toBe(false);
  expect(historyOf([], 1).isExhausted).toBe(false);
});

it("a history goes on from its evaluations", () => {
  const first = historyOf([0.5, 0.8, 0.7], 2);
  const second = new EvaluationHistory("accuracy", 2, first.evaluations);
  expect(second.best).toEqual(first.best);
  second.record(at(4, 0.8));
  expect(second.isExhausted).toBe(true);
});
