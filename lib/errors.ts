/**
 * The one error type of the package. Every failure that a caller can cause or must handle is a {@link RATError} whose
 * `code` is part of the public API: test the code, not the message.
 */

/** Every code a {@link RATError} can carry, by the part that raises it. */
export type RATErrorCode =
  // Input
  | "ERR_RAT_INVALID_ARG"
  | "ERR_RAT_CONFIG"
  | "ERR_RAT_DATA_FORMAT"
  | "ERR_RAT_DATA_ENCODING"
  | "ERR_RAT_LABEL"
  | "ERR_RAT_LIMIT"
  | "ERR_RAT_PATH"
  // Model
  | "ERR_RAT_SAFETENSORS_INVALID"
  | "ERR_RAT_TOKENIZER_INVALID"
  | "ERR_RAT_MODEL_MISMATCH"
  | "ERR_RAT_UNSAFE_FORMAT"
  // Run
  | "ERR_RAT_ABORTED"
  | "ERR_RAT_NON_FINITE"
  | "ERR_RAT_HOST_OOM"
  | "ERR_RAT_DEVICE_OOM"
  | "ERR_RAT_DEVICE"
  | "ERR_RAT_BUSY"
  | "ERR_RAT_DISPOSED"
  | "ERR_RAT_SHUTDOWN"
  // Checkpoint
  | "ERR_RAT_CHECKPOINT_WRITE"
  | "ERR_RAT_CHECKPOINT_CORRUPT"
  | "ERR_RAT_CHECKPOINT_NOT_FOUND"
  | "ERR_RAT_RESUME_ENV"
  | "ERR_RAT_RESUME_CONFIG"
  | "ERR_RAT_LOCKED"
  // Network
  | "ERR_RAT_NETWORK"
  | "ERR_RAT_HASH_MISMATCH"
  // Other
  | "ERR_RAT_NATIVE_LOAD"
  | "ERR_RAT_TORCH"
  | "ERR_RAT_INTERNAL";

/** What else is known about a failure; only plain data. */
export interface RATErrorDetails {
  /** The file that was being read or written. */
  readonly file?: string;
  /** 1-based line in `file`. */
  readonly line?: number;
  /** LibTorch's own message with its C++ backtrace. */
  readonly native?: string;
  readonly [key: string]: unknown;
}

export interface RATErrorOptions {
  readonly cause?: unknown;
  readonly details?: RATErrorDetails;
  /** Whether the same call may succeed if it is simply made again. Default: false. */
  readonly retryable?: boolean;
}

/** An error with a stable `code`. `name` is `RATError`, or `AbortError` when `code` is `ERR_RAT_ABORTED`. */
export class RATError extends Error {
  readonly code: RATErrorCode;
  readonly details: RATErrorDetails | undefined;
  readonly retryable: boolean;

  constructor(code: RATErrorCode, message: string, options: RATErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = code === "ERR_RAT_ABORTED" ? "AbortError" : "RATError";
    this.code = code;
    this.details = options.details;
    this.retryable = options.retryable ?? false;
  }
}

/** Whether `value` is a {@link RATError}, optionally with the given code. */
export function isRATError(value: unknown, code?: RATErrorCode): value is RATError {
  return value instanceof RATError && (code === undefined || value.code === code);
}

/** A wrong option, by its name in a run's configuration. */
export function configError(option: string, message: string): RATError {
  return new RATError("ERR_RAT_CONFIG", message, { details: { option } });
}

/** A path that cannot be used. */
export function pathError(file: string, message: string, cause?: unknown): RATError {
  return new RATError("ERR_RAT_PATH", message, { cause, details: { file } });
}

/** The error that an aborted call rejects with: it says who aborted; `cause` is the signal's reason. */
export function abortedError(signal?: AbortSignal): RATError {
  const cause: unknown = signal?.reason;
  return new RATError("ERR_RAT_ABORTED", `The operation was aborted ${describeReason(cause)}`, { cause });
}

function describeReason(reason: unknown): string {
  if (typeof reason === "string") return `by its signal: ${reason}`;
  if (!(reason instanceof Error) || reason.name === "AbortError") return "by its signal";
  return reason.name === "TimeoutError" ? "by its signal's timeout" : `by its signal: ${reason.message}`;
}

/**
 * Throws {@link abortedError} if `signal` has been aborted.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for what is no signal, which would never abort anything.
 */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    invalidArgument("signal", "an AbortSignal", signal);
  }
  if (signal?.aborted) throw abortedError(signal);
}

/** What the addon throws or rejects with: an `Error` with these extra properties. */
interface NativeError extends Error {
  code?: string;
  native?: string;
}

/**
 * Turns what the addon threw into a {@link RATError} with a JavaScript stack that starts at the call (a rejection made on
 * another thread has none). A RATError passes through unchanged.
 */
export function fromNative(error: unknown): RATError {
  if (error instanceof RATError) return error;
  if (error instanceof Error && (error as NativeError).code?.startsWith("ERR_RAT_")) {
    const { code, message, native } = error as NativeError;
    return new RATError(code as RATErrorCode, message, native ? { details: { native } } : {});
  }
  const message = error instanceof Error ? error.message : String(error);
  return new RATError("ERR_RAT_INTERNAL", message, { cause: error });
}

/**
 * The one shape of a message about a bad argument.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG`, always.
 */
export function invalidArgument(name: string, expected: string, actual: unknown): never {
  throw new RATError(
    "ERR_RAT_INVALID_ARG",
    `Expected ${expected} for ${name} but received ${describe(actual)}`,
  );
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string") return `${JSON.stringify(value.slice(0, 60))} of type string`;
  if (typeof value === "object") return `an object of class ${value.constructor?.name ?? "Object"}`;
  return `${String(value)} of type ${typeof value}`;
}
