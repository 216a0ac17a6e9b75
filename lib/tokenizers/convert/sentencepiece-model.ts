/**
 * Reads a SentencePiece `.model`: a protobuf `ModelProto` (`sentencepiece_model.proto` of google/sentencepiece), of which
 * pieces, the kind of model and the character map are needed.
 */
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { invalidTokenizer } from "../tokenizer-file.js";

/** What a piece is; `SentencePiece.Type`. */
export const PIECE = { normal: 1, unknown: 2, control: 3, userDefined: 4 } as const;

export interface Piece {
  readonly text: string;
  /** Logarithm of its probability. */
  readonly score: number;
  readonly type: number;
}

export interface SentencePieceModel {
  readonly pieces: readonly Piece[];
  /** Base64; undefined if the model normalises nothing. */
  readonly characterMap: string | undefined;
}

const UNIGRAM = 1;

/** @throws RATError `ERR_RAT_TOKENIZER_INVALID` for what is no such file, or is no Unigram model. */
export function readSentencePieceModel(bytes: Uint8Array, file: string): SentencePieceModel {
  const pieces: Piece[] = [];
  let type = UNIGRAM;
  let characterMap: string | undefined;
  try {
    eachField(bytes, {
      1: (reader) => pieces.push(readPiece(reader.bytes())),
      2: (reader) =>
        eachField(reader.bytes(), {
          3: (trainer) => {
            type = trainer.int32();
          },
        }),
      3: (reader) =>
        eachField(reader.bytes(), {
          2: (normalizer) => {
            characterMap = Buffer.from(normalizer.bytes()).toString("base64") || undefined;
          },
        }),
    });
  } catch (error) {
    throw invalidTokenizer(`${file} is damaged (${error instanceof Error ? error.message : error})`);
  }
  if (pieces.length === 0) throw invalidTokenizer(`${file} holds no pieces; is it a SentencePiece model?`);
  if (type !== UNIGRAM)
    throw invalidTokenizer(`${file} is no Unigram model, and only those are read; convert it with Python`);
  return { pieces, characterMap };
}

function readPiece(bytes: Uint8Array): Piece {
  const piece = { text: "", score: 0, type: PIECE.normal as number };
  eachField(bytes, {
    1: (reader) => {
      piece.text = reader.string();
    },
    2: (reader) => {
      piece.score = reader.float();
    },
    3: (reader) => {
      piece.type = reader.int32();
    },
  });
  return piece;
}

/** Calls the reader of each field that has one; the others are skipped. */
function eachField(
  bytes: Uint8Array,
  readers: Readonly<Record<number, (reader: BinaryReader) => void>>,
): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const read = readers[field];
    if (read) read(reader);
    else reader.skip(wireType, field);
  }
}
