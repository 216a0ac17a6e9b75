/**
 * What crosses between a worker thread and its owner: named calls, answered one at a time. Knows nothing of what they are for.
 * `client.ts` is the owner's side, `server.ts` the worker's.
 */
import type { MessagePort } from "node:worker_threads";
import type { RATErrorCode } from "../errors.js";

/** The calls a worker answers: name to input and output. Typed arrays directly in an output are moved, not copied. */
export type Calls<C> = { readonly [K in keyof C]: { readonly input: unknown; readonly output: object } };

/** A call under way; `close` ends the worker after the call it is busy with. */
export type Request =
  | { readonly kind: "call"; readonly id: number; readonly name: string; readonly input: unknown }
  | { readonly kind: "close" };

/** An answer, or the code and message of the RATError that the call failed with. */
export type Reply =
  | { readonly id: number; readonly output: object }
  | { readonly id: number; readonly failure: { readonly code: RATErrorCode; readonly message: string } };

/** What a worker starts with. */
export interface WorkerStart<D> {
  readonly data: D;
  /** Carries the calls that block the owner; `parentPort` carries the others. */
  readonly syncPort: MessagePort;
  /** Two shared integers: [{@link ANSWERED}, {@link EXITED}]. A blocked owner waits on the first. */
  readonly flags: Int32Array;
}

/** Index in `WorkerStart.flags`: becomes 1 when the call that the owner waits for has been answered. */
export const ANSWERED = 0;
/** Index in `WorkerStart.flags`: becomes 1 when the worker ends. */
export const EXITED = 1;
