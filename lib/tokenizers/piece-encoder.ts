/**
 * Encodes texts piece by piece and remembers the tokens of each piece, since words repeat. The library alone needs about
 * 3 µs a token, in each thread of its pool; a remembered token a tenth of that.
 */
import { findWordEncoder, type WordEncoder } from "./ascii-words.js";
import { type Cutter, findCutter } from "./cuts.js";
import { encodeTexts, type HuggingFaceTokenizer } from "./hugging-face.js";
import type { TokenizerFile } from "./tokenizer-file.js";

/** Pieces that are remembered: beyond it, they are so rare that remembering does not pay. About 100 MB. */
const REMEMBERED_PIECES = 500_000;
/** Longest piece that is remembered, in UTF-16 units. */
const LONGEST_PIECE = 32;

/** The tokens of a piece; null until the library has encoded it. */
interface Piece {
  ids: readonly number[] | null;
}

/** The tokens of texts without special tokens. */
export class PieceEncoder {
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #cut: Cutter;
  readonly #encodeWord: WordEncoder;
  readonly #known = new Map<string, Piece>();

  /** @param file - What `tokenizer` was made from. */
  constructor(tokenizer: HuggingFaceTokenizer, file: TokenizerFile) {
    this.#tokenizer = tokenizer;
    this.#cut = findCutter(file);
    this.#encodeWord = findWordEncoder(file);
  }

  /**
   * @param enough - A text's tokens may end early from so many on.
   * @throws RATError (rejects) `ERR_RAT_TOKENIZER_INVALID` when the tokenizer cannot encode one.
   */
  async encode(texts: readonly string[], enough: number): Promise<number[][]> {
    const unknown = new Map<string, Piece>();
    const whole = new Map<string, Piece>();
    const found = texts.map((text) => {
      const pieces = this.#cut(text);
      return pieces === null ? [pieceOf(text, whole)] : this.#find(pieces, enough, unknown);
    });
    await this.#encode(unknown, null);
    await this.#encode(whole, enough === Infinity ? null : enough);
    for (const [text, piece] of unknown) this.#remember(text, piece);
    return found.map(tokensOf);
  }

  /** The pieces of a text, as far as they are needed; those for the library go into `unknown`. */
  #find(pieces: readonly string[], enough: number, unknown: Map<string, Piece>): Piece[] {
    const found: Piece[] = [];
    let length = 0;
    for (const text of pieces) {
      const piece = this.#known.get(text) ?? this.#encodeHere(text) ?? pieceOf(text, unknown);
      found.push(piece);
      length += piece.ids?.length ?? 0;
      if (length >= enough) break;
    }
    return found;
  }

  #encodeHere(text: string): Piece | undefined {
    const ids = this.#encodeWord(text);
    if (ids === undefined) return undefined;
    const piece = { ids };
    this.#remember(text, piece);
    return piece;
  }

  /** Encodes in the library. */
  async #encode(pieces: ReadonlyMap<string, Piece>, limit: number | null): Promise<void> {
    const encodings = (await encodeTexts(this.#tokenizer, [...pieces.keys()], limit)).values();
    for (const piece of pieces.values()) piece.ids = encodings.next().value?.getIds() ?? [];
  }

  #remember(text: string, piece: Piece): void {
    if (this.#known.size >= REMEMBERED_PIECES || text.length > LONGEST_PIECE) return;
    this.#known.set(ownCopy(text), piece);
  }
}

function tokensOf(pieces: readonly Piece[]): number[] {
  const tokens: number[] = [];
  for (const { ids } of pieces) for (const id of ids ?? []) tokens.push(id);
  return tokens;
}

/** The piece of a text, made if it is new. */
function pieceOf(text: string, pieces: Map<string, Piece>): Piece {
  let piece = pieces.get(text);
  if (piece === undefined) {
    piece = { ids: null };
    pieces.set(text, piece);
  }
  return piece;
}

/** A piece of 13 characters and more is a view of its text in V8, and would keep all of it in memory. */
function ownCopy(text: string): string {
  if (text.length < 13) return text;
  return JSON.parse(JSON.stringify(text)) as string;
}
