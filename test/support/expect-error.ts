/** Asserts class, code and words of a failure. */

import { expect } from "vitest";
import { isRATError, type RATErrorCode } from "#dist/errors.js";

/** Fails unless `call` throws, or its promise rejects with, a RATError of this code whose message matches. */
export async function expectError(call: () => unknown, code: RATErrorCode, words: RegExp): Promise<void> {
  let error: unknown = "no error";
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  expect(isRATError(error, code), `${code} expected, not: ${String(error)}`).toBe(true);
  expect(String(error)).toMatch(words);
}
