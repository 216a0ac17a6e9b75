/** Texts, one a line, from a file or from stdin, some at a time. An empty line is an empty text. */
import { RATError, throwIfAborted } from "../errors.js";
import type { TextOrPair } from "../tokenizers/types.js";

/** Texts that are classified at once: enough to fill batches of like lengths, few enough for a stream to flow. */
export const textsAtOnce = 512;

/**
 * The lines of a file, plain or gzip.
 *
 * @throws RATError `ERR_RAT_PATH`, `ERR_RAT_DATA_ENCODING` (not UTF-8, with the line), `ERR_RAT_ABORTED`.
 */
export async function* readFileLines(path: string, signal: AbortSignal): AsyncGenerator<TextOrPair[]> {
  const { readLines } = await import("../datasets/text-file.js");
  let texts: TextOrPair[] = [];
  for await (const { text } of readLines(path, { signal })) {
    texts.push({ text });
    if (texts.length < textsAtOnce) continue;
    yield texts;
    texts = [];
  }
  if (texts.length > 0) yield texts;
}

/**
 * The lines of stdin as they come, so that whoever types or follows a log is answered at once. It is not read as the file
 * /dev/stdin, because that cannot be opened when it is a socket.
 *
 * @throws RATError `ERR_RAT_DATA_ENCODING` (not UTF-8, with the line), `ERR_RAT_ABORTED`.
 */
export async function* readStdinLines(signal: AbortSignal): AsyncGenerator<TextOrPair[]> {
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
      if (lines.length > 0) {
        yield lines.map((text) => ({ text: text.endsWith("\r") ? text.slice(0, -1) : text }));
      }
    }
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  throwIfAborted(signal);
  rest += decode();
  if (rest !== "") yield [{ text: rest }];
}
