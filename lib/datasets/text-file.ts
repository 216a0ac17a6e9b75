/**
 * UTF-8 text files, plain or gzip, as a stream: the bottom of every reader. Reading goes chunk by chunk, each chunk a
 * turn of the event loop, so that neither memory nor the loop depends on the size of the file.
 */
import { isUtf8 } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { type RATError, throwIfAborted } from "../errors.js";
import { dataError, formatError, pathError } from "./data-error.js";

/** Longest line that is read, in bytes: more is a wrong file, not a text. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** Bounds how long one chunk keeps the event loop busy: a few milliseconds in the slowest reader. */
const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** What every reader takes. */
export interface ReadOptions {
  /** Ends the reading with `ERR_RAT_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** Told of a row that cannot be read, which is left out then; without it reading ends with that error. */
  readonly onBadRow?: ((error: RATError) => void) | undefined;
}

/** Complete lines with their ends, valid UTF-8; only the file's last line may lack its end. */
export interface TextBlock {
  readonly bytes: Buffer;
  /** 1-based number of the first line. */
  readonly line: number;
}

/** One line without its end. */
export interface TextLine {
  readonly text: string;
  /** 1-based. */
  readonly line: number;
}

/**
 * The lines of a file in blocks of about 64 KiB. A byte-order mark at the start is skipped; gzip is recognised by its
 * content; NUL bytes are data.
 *
 * @throws RATError `ERR_RAT_PATH` if there is no such file; `ERR_RAT_DATA_ENCODING` with the line that is not UTF-8;
 * `ERR_RAT_DATA_FORMAT` if gzip is damaged; `ERR_RAT_LIMIT` for a line above {@link MAX_LINE_BYTES}; `ERR_RAT_ABORTED`.
 */
export async function* readBlocks(path: string, options: ReadOptions = {}): AsyncGenerator<TextBlock> {
  let line = 1;
  let carry: Buffer[] = [];
  let carriedBytes = 0;
  const takeBlock = (last: Buffer): TextBlock => {
    let bytes = carry.length === 0 ? last : Buffer.concat([...carry, last]);
    carry = [];
    carriedBytes = 0;
    if (line === 1 && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)) bytes = bytes.subarray(3);
    if (!isUtf8(bytes)) throw encodingError(path, line, bytes);
    return { bytes, line };
  };

  try {
    for await (const chunk of readBytes(path, options.signal)) {
      const firstEnd = chunk.indexOf(NEWLINE);
      if (carriedBytes + (firstEnd < 0 ? chunk.length : firstEnd) > MAX_LINE_BYTES) {
        throw dataError(
          "ERR_RAT_LIMIT",
          { file: path, line },
          "the line is longer than 64 MiB; is this a text file?",
        );
      }
      const end = chunk.lastIndexOf(NEWLINE) + 1;
      if (end > 0) {
        const block = takeBlock(chunk.subarray(0, end));
        yield block;
        line += countNewlines(block.bytes);
      }
      if (end < chunk.length) {
        carry.push(chunk.subarray(end));
        carriedBytes += chunk.length - end;
      }
    }
    if (carriedBytes > 0) yield takeBlock(Buffer.alloc(0));
  } catch (error) {
    throw isZlibError(error)
      ? formatError({ file: path, line }, `damaged gzip data (${error.message}); fetch the file again`, error)
      : error;
  }
}

/**
 * The lines of a file, one by one; LF or CRLF ends a line, and a lone CR is data.
 *
 * @throws RATError as {@link readBlocks}.
 */
export async function* readLines(path: string, options: ReadOptions = {}): AsyncGenerator<TextLine> {
  for await (const block of readBlocks(path, options)) {
    const texts = block.bytes.toString("utf8").split("\n");
    if (texts.at(-1) === "") texts.pop();
    let line = block.line;
    for (const text of texts) yield { text: text.endsWith("\r") ? text.slice(0, -1) : text, line: line++ };
  }
}

/** The bytes of a file, decompressed if it is gzip. */
async function* readBytes(path: string, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const chunks = readChunks(path, signal);
  try {
    let head = await nextChunk(chunks);
    // A pipe may hand out a single byte.
    if (head.length === 1) head = Buffer.concat([head, await nextChunk(chunks)]);
    const source = prepend(head, chunks);
    if (head[0] === 0x1f && head[1] === 0x8b) yield* gunzip(source);
    else if (path.endsWith(".gz"))
      throw formatError({ file: path, line: 1 }, "the name ends in .gz, but this is not gzip data");
    else yield* source;
  } finally {
    await chunks.return(undefined);
  }
}

async function* gunzip(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const inflated = createGunzip({ chunkSize: CHUNK_BYTES });
  // An error of the source or of gzip also reaches the loop below, which is where it is reported.
  const finished = pipeline(source, inflated).catch(() => undefined);
  try {
    for await (const chunk of inflated) yield chunk as Buffer;
  } finally {
    inflated.destroy();
    await finished;
  }
}

async function* readChunks(path: string, signal: AbortSignal | undefined): AsyncGenerator<Buffer, void> {
  throwIfAborted(signal);
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    for (;;) {
      // A buffer of its own for every chunk: the texts' bytes are handed on, not copied.
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafeSlow(CHUNK_BYTES));
      throwIfAborted(signal);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw pathError(error, path);
  } finally {
    await handle?.close();
  }
}

async function nextChunk(chunks: AsyncGenerator<Buffer, void>): Promise<Buffer> {
  const { value } = await chunks.next();
  return value ?? Buffer.alloc(0);
}

async function* prepend(head: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head;
  yield* rest;
}

function countNewlines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

/** Finds the first line of a block that is not UTF-8. A newline byte is never part of another character. */
function encodingError(file: string, firstLine: number, bytes: Buffer): Error {
  let line = firstLine;
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline + 1;
    if (!isUtf8(bytes.subarray(start, end))) break;
    start = end;
  }
  return dataError(
    "ERR_RAT_DATA_ENCODING",
    { file, line },
    "not valid UTF-8; convert the file (for example with iconv)",
  );
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && /^Z_/.test((error as NodeJS.ErrnoException).code ?? "");
}
