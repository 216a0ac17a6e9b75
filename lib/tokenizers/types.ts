/** Text before and after it is tokenised. */

/** A text, or a pair of texts. */
export interface TextOrPair {
  readonly text: string;
  readonly pair?: string;
}

/** One text or pair. */
export interface EncodedText {
  readonly ids: readonly number[];
  /** Segment of each token; all 0 for the from-scratch models. */
  readonly typeIds: readonly number[];
}

/** N texts laid end to end, T tokens in all; no text is empty. */
export interface PackedTexts {
  /** `[T]` */
  readonly tokens: Int32Array;
  /** `[T]`, only if the tokenizer gives any other than 0. */
  readonly tokenTypes?: Uint8Array;
  /** `[N + 1]`, cumulative. */
  readonly starts: Int32Array;
  /** How many texts were cut at the length limit. */
  readonly truncated: number;
}

/** What encoding many texts may be asked to do. */
export interface EncodeAllOptions {
  /** Most tokens of one text or pair, special ones included; truncation is `longest_first`. */
  readonly maxLength: number;
  readonly signal?: AbortSignal;
}

/** A tokenizer, from `loadTokenizer` or `trainTokenizer`. */
export interface Tokenizer extends AsyncDisposable {
  /** Rows that an embedding matrix needs: the largest id + 1. */
  readonly vocabularySize: number;
  readonly paddingId: number;
  /** Ids of the tokens that stand around and between texts, as [CLS] and [SEP]. */
  readonly specialIds: readonly number[];
  /**
   * Tokens of one text or pair without truncation, special ones included. Synchronous: it blocks the calling thread
   * until the worker has answered (some 0.1 ms for a sentence). What yields no token gives the one unknown token.
   *
   * @throws RATError `ERR_RAT_INVALID_ARG`, `ERR_RAT_DISPOSED`.
   */
  encode(text: string, pair?: string): EncodedText;
  /**
   * Encodes in a worker thread, so that the event loop is never blocked.
   *
   * @throws RATError (rejects) `ERR_RAT_INVALID_ARG` (a text by its index), `ERR_RAT_ABORTED`, `ERR_RAT_DISPOSED`.
   */
  encodeAll(
    texts: Iterable<{ readonly text: string; readonly pair?: string }>,
    options: EncodeAllOptions,
  ): Promise<PackedTexts>;
  /** Id of a token, or undefined. The first call reads the whole vocabulary, which blocks for as long as that takes. */
  tokenToId(token: string): number | undefined;
  /**
   * Ids of tokens, -1 where there is none; looked up in the worker thread, so that the event loop is never blocked.
   *
   * @throws RATError (rejects) `ERR_RAT_INVALID_ARG`, `ERR_RAT_DISPOSED`.
   */
  tokensToIds(tokens: readonly string[]): Promise<Int32Array>;
  /** The files a model folder needs, by name (`tokenizer.json`, ...), as text. */
  files(): Readonly<Record<string, string>>;
  /** Ends the worker thread. It also ends with the process, and does not keep it alive. */
  dispose(): Promise<void>;
}
