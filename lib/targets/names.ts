/** How many class names there are, and the first of them. */
export function describeNames(names: readonly string[], what: string): string {
  return `${names.length} ${what} (${names.slice(0, 6).join(", ")}${names.length > 6 ? ", ..." : ""})`;
}
