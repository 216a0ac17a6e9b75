/** How a command fails: which exit code, what stands on stderr, what `--json` prints. */
import { CommanderError } from "commander";
import { isRATError, RATError, type RATErrorCode } from "../errors.js";
import { isOptionName, toFlag } from "./flag-names.js";

/** Wrong usage: found in flags or configuration before any data is read. Exit code 2. */
export class UsageError extends RATError {
  constructor(message: string, code: RATErrorCode = "ERR_RAT_INVALID_ARG", cause?: unknown) {
    super(code, message, { cause });
  }
}

/**
 * Awaits a call that refuses impossible options with `ERR_RAT_INVALID_ARG` before it reads a file: that, too, is wrong
 * usage.
 *
 * @throws UsageError in place of a RATError of that code; anything else as it is.
 */
export async function refusalIsUsage<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!isRATError(error, "ERR_RAT_INVALID_ARG")) throw error;
    throw new UsageError(error.message, error.code, error);
  }
}

/** A failure as it is told to the user. */
export interface Failure {
  readonly exitCode: number;
  readonly code: RATErrorCode;
  readonly message: string;
  /** What to do about it, where the message does not say so already. */
  readonly hint: string | undefined;
  /** For `--debug`. */
  readonly stack: string;
}

const hints: Partial<Record<RATErrorCode, string>> = {
  ERR_RAT_NON_FINITE: "Try a smaller --learning-rate or --epsilon, or --clip-norm 1.",
  ERR_RAT_HOST_OOM: "Try a smaller --batch-size, --max-length or --vocabulary-size.",
  ERR_RAT_DEVICE_OOM:
    "A step in parts is the same step: try --micro-batch-size, else a smaller --max-length, or --device cpu.",
  ERR_RAT_INTERNAL: "This is a bug. Please report it with what --debug prints.",
};

/** With the flags of options that a message names: `resume` in backticks is --resume. */
export function withFlags(message: string): string {
  return message.replace(/`([a-zA-Z]+)`/g, (whole, name: string) =>
    isOptionName(name) ? toFlag(name) : whole,
  );
}

/** Sorts anything that was thrown; what is not a RATError is a bug of ours, `ERR_RAT_INTERNAL`. */
export function toFailure(error: unknown): Failure {
  const stack = describeStack(error);
  if (error instanceof CommanderError) {
    return { exitCode: 2, code: "ERR_RAT_INVALID_ARG", message: plainMessage(error), hint: undefined, stack };
  }
  if (isRATError(error)) {
    const exitCode = error instanceof UsageError ? 2 : 1;
    return { exitCode, code: error.code, message: withFlags(error.message), hint: hintFor(error), stack };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { exitCode: 1, code: "ERR_RAT_INTERNAL", message, hint: hints.ERR_RAT_INTERNAL, stack };
}

/** Commander's message in one line: `unknown option '--epoch' (Did you mean --epochs?)`. */
export function plainMessage(error: CommanderError): string {
  return error.message.replace(/^error: /, "").replace(/\n/g, " ");
}

function hintFor({ code, details }: RATError): string | undefined {
  const isRow = Number(details?.line) > 1 && (code === "ERR_RAT_DATA_FORMAT" || code === "ERR_RAT_LABEL");
  return isRow ? "--skip-bad-rows leaves such rows out, and lists them." : hints[code];
}

function describeStack(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const native = isRATError(error) && error.details?.native ? `\nnative: ${error.details.native}` : "";
  const cause = error.cause === undefined ? "" : `\ncaused by: ${describeStack(error.cause)}`;
  return `${error.stack ?? error.message}${native}${cause}`;
}
