/** What the build wrote beside the addon. */
export interface Stamp {
  /** The LibTorch folder it was compiled against. */
  readonly libtorch: string;
  /** That LibTorch's version, as `2.13.0+cpu`. */
  readonly version: string;
  /** When its main library was last written, in milliseconds. */
  readonly libtorchMtime: number;
  readonly cuda: boolean;
  /** When the addon was built, ISO 8601. */
  readonly built: string;
  /** SHA-256 of everything that was compiled. */
  readonly sources: string;
}
export const ADDON_FILE: string;
export const STAMP_FILE: string;
/** The stamp in `folder`; undefined if there is none that can be read. */
export function readStamp(folder: string): Stamp | undefined;
/** Why the addon in `folder` must not be loaded, or undefined. */
export function whyNotLoadable(folder: string): string | undefined;
export function writeStamp(folder: string, stamp: Stamp): void;
