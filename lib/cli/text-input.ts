/** Texts, one a line, from a file or from stdin. */
import { RATError, throwIfAborted } from "../errors.js";

/** A text to classify. */
export interface TextOrPair {
  readonly text: string;
  readonly pair?: string;
}

/**
 * The lines of a file (plain or gzip), or of stdin if `path` is `-`. An empty line is an empty text, so that input and
 * output have the same number of lines.
 *
 * @throws RATError `ERR_RAT_PATH`, `ERR_RAT_DATA_ENCODING` (not UTF-8, with the line), `ERR_RAT_ABORTED`.
 */
export async function* readTextLines(path: string, signal: AbortSignal): AsyncGenerator<TextOrPair> {
  if (path === "-") {
    yield* readStdin(signal);
    return;
  }
  const { readLines } = await import("../datasets/text-file.js");
  for await (const { text } of readLines(path, { signal })) yield { text };
}

/** stdin is not read as the file /dev/stdin, because that cannot be opened when it is a socket. */
async function* readStdin(signal: AbortSignal): AsyncGenerator<TextOrPair> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let line = 1;
  let rest = "";
  const decode = (chunk?: Uint8Array) => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined });
    } catch (cause) {
      const message = `stdin: not UTF-8 at or after line ${line}; convert it, as with iconv -t UTF-8`;
      throw new RATError("ERR_RAT_DATA_ENCODING", message, { cause, details: { file: "stdin", line } });
    }
  };
  // Without this, a signal would have to wait for the next line.
  const stop = () => process.stdin.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of process.stdin) {
      const lines = (rest + decode(chunk as Uint8Array)).split("\n");
      rest = lines.pop() ?? "";
      line += lines.length;
      for (const text of lines) yield { text: text.endsWith("\r") ? text.slice(0, -1) : text };
    }
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  throwIfAborted(signal);
  rest += decode();
  if (rest !== "") yield { text: rest };
}
