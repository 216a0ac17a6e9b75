/** For loops over many rows: other work gets a turn, and an abort is noticed. */
import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "./errors.js";

/** @throws RATError `ERR_RAT_ABORTED`. */
export async function giveWay(signal?: AbortSignal): Promise<void> {
  await setImmediate();
  throwIfAborted(signal);
}
