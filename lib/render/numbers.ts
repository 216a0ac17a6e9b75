/** Numbers for people. */

/** `12,345`. */
export function formatCount(value: number): string {
  return value.toLocaleString("en-US");
}
