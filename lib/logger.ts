/** What the library says while it works, to whoever wants to hear it. */

/** Where the library says what it chose; it is quiet without one. `console` and pino loggers fit. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
}

export const QUIET: Logger = { info: () => {}, warn: () => {} };
