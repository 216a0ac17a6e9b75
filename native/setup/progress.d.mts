/** Says once a minute how far a compilation is. */
export class CompilerProgress {
  constructor(options?: { say?: (line: string) => void; everyMs?: number });
  /** A line of the build's output. */
  take(line: string): void;
  stop(): void;
}
