import { expect, test } from "vitest";
import { calibrationOf, confidentMistakes } from "#dist/metrics/calibration.js";
import { expectError } from "../support/expect-error.js";

test("probabilities that mean what they say have no error", () => {
  // Ten predictions at 0.8, eight of them right; ten at 0.6, six right.
  const probabilities = [...Array(10).fill([0.8, 0.2]), ...Array(10).fill([0.4, 0.6])].flat();
  const references = [...[0, 0, 0, 0, 0, 0, 0, 0, 1, 1], ...[1, 1, 1, 1, 1, 1, 0, 0, 0, 0]];
  const { bins, expectedError } = calibrationOf(probabilities, references, 10);
  expect(expectedError).toBeCloseTo(0, 12);
  expect(bins[7]).toEqual({
    from: 0.7,
    to: 0.8,
    count: 10,
    confidence: expect.closeTo(0.8, 12),
    accuracy: 0.8,
  });
  expect(bins[0]).toMatchObject({ count: 0, confidence: null, accuracy: null });
});

test("the error is the mean distance of confidence and accuracy, by the sizes of the bins", () => {
  const { expectedError } = calibrationOf([0.9, 0.1, 0.9, 0.1, 0.45, 0.55], [0, 1, 1], 10);
  // Two at 0.9, half of them right; one at 0.55, right.
  expect(expectedError).toBeCloseTo((2 / 3) * 0.4 + (1 / 3) * 0.45, 12);
  expect(calibrationOf([], []).expectedError).toBeNull();
});

test("mistakes come the surest first, with their rows", async () => {
  const probabilities = [0.6, 0.4, 0.1, 0.9, 0.8, 0.2, 0.3, 0.7];
  expect(confidentMistakes(probabilities, [1, 0, 0, 0])).toEqual([
    { row: 1, predicted: 1, reference: 0, confidence: 0.9 },
    { row: 3, predicted: 1, reference: 0, confidence: 0.7 },
    { row: 0, predicted: 0, reference: 1, confidence: 0.6 },
  ]);
  expect(confidentMistakes(probabilities, [1, 0, 0, 0], 1)).toHaveLength(1);
  await expectError(() => calibrationOf([0.1, 0.9, 0.5], [0, 1]), "ERR_RAT_INVALID_ARG", /probabilities/);
});
