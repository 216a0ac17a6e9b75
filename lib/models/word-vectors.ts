/**
 * Word vectors in text form, as GloVe (`word v1 ... vn`, one word a line), word2vec and fastText (the same under a line
 * `count n`) publish them, plain or gzip. Every row is checked; numbers are made only of those that are asked for.
 */
import { formatError, type Place, shorten } from "../datasets/data-error.js";
import { readLines } from "../datasets/text-file.js";

/** A word and its vector. */
export interface VectorRow {
  readonly word: string;
  /** The numbers as they stand in the file. */
  readonly text: string;
  readonly place: Place;
}

/** What a file is read as. */
export interface ReadVectorsOptions {
  /** Numbers of a vector. */
  readonly size: number;
  readonly signal?: AbortSignal | undefined;
}

/** Unambiguous, so that what does not match is given up in linear time. */
const NUMBER = "[+-]?(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:[eE][+-]?\\d+)?";
const IS_NUMBER = new RegExp(`^${NUMBER}$`);
/** A word may hold blanks, as some of GloVe's do, but no number after one: that is a row with too many numbers. */
const WORD = `[^ \\t]+(?:[ \\t]+(?!${NUMBER}(?:[ \\t]|$))[^ \\t]+)*?`;
const HEADER = /^\d+[ \t]+(\d+)[ \t]*$/;

/** Most characters of a row, so that no line keeps the event loop busy for long: generous for any way to write a number. */
const MOST_CHARACTERS_A_NUMBER = 64;
const MOST_CHARACTERS_A_WORD = 10_000;

/**
 * The rows of a file in order.
 *
 * @throws RATError `ERR_RAT_PATH` if there is no such file; `ERR_RAT_DATA_FORMAT` with file and line for another number of
 *   numbers, for what is no number, and for a file without rows; `ERR_RAT_DATA_ENCODING`; `ERR_RAT_LIMIT`;
 *   `ERR_RAT_ABORTED`.
 */
export async function* readWordVectors(path: string, options: ReadVectorsOptions): AsyncGenerator<VectorRow> {
  const { size, signal } = options;
  const pattern = new RegExp(`^(${WORD})((?:[ \\t]+${NUMBER}){${size}})[ \\t]*$`);
  const longest = size * MOST_CHARACTERS_A_NUMBER + MOST_CHARACTERS_A_WORD;
  let rows = 0;
  for await (const { text, line } of readLines(path, { signal })) {
    const place = { file: path, line };
    const width = line === 1 ? HEADER.exec(text)?.[1] : undefined;
    if (width !== undefined) {
      if (Number(width) !== size)
        throw formatError(place, wrongWidth("its vectors have", Number(width), size));
      continue;
    }
    if (text.length > longest) {
      throw formatError(place, `the line is far too long for ${size} numbers; are these word vectors?`);
    }
    const [, word, numbers] = pattern.exec(text) ?? [];
    if (word === undefined || numbers === undefined) {
      throw formatError(place, describeBadRow(text, size, rows === 0));
    }
    rows++;
    yield { word, text: numbers, place };
  }
  if (rows === 0) throw formatError({ file: path, line: 1 }, "there are no word vectors in this file");
}

/**
 * The numbers of rows, row-major `[rows, size]`.
 *
 * @throws RATError `ERR_RAT_DATA_FORMAT` for a number that 32 bits cannot hold.
 */
export function vectorValues(rows: readonly VectorRow[], size: number): Float32Array {
  const values = new Float32Array(rows.length * size);
  let index = 0;
  for (const { word, text, place } of rows) {
    for (const number of text.trim().split(/[ \t]+/)) {
      values[index] = Number(number);
      if (!Number.isFinite(values[index])) {
        throw formatError(
          place,
          `${number} of ${JSON.stringify(shorten(word))} is too large for a 32-bit float`,
        );
      }
      index++;
    }
  }
  return values;
}

function describeBadRow(text: string, size: number, isFirst: boolean): string {
  const [word = "", ...fields] = text.trim().split(/[ \t]+/);
  const fromTheEnd = [...fields].reverse().findIndex((field) => !IS_NUMBER.test(field));
  const numbers = fromTheEnd < 0 ? fields.length : fromTheEnd;
  const name = JSON.stringify(shorten(word));
  const stranger = fields.at(-1 - numbers);
  if (fields.length >= size && numbers < size && stranger !== undefined) {
    return `${JSON.stringify(shorten(stranger))} of ${name} is not a number; fetch the file again, or delete the row`;
  }
  if (isFirst && numbers > 0) return wrongWidth(`${name} has`, numbers, size);
  return `${name} has ${counted(numbers)} instead of ${size}; fetch the file again, or delete the row`;
}

function wrongWidth(what: string, width: number, size: number): string {
  return `${what} ${counted(width)}, the model's embeddings ${size}; take vectors of ${size}, or embeddingSize ${width} (--embedding-size)`;
}

function counted(numbers: number): string {
  return numbers === 1 ? "1 number" : `${numbers} numbers`;
}
