/** Options and their flags. */
import { OPTION_NAMES, type OptionName } from "../config/options.js";

export function isOptionName(name: string): name is OptionName {
  return (OPTION_NAMES as readonly string[]).includes(name);
}

/** `learningRate` -> `--learning-rate`. */
export function toFlag(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
