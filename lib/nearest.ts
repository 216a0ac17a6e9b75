/** What somebody who misspelt a name probably meant. */

/** The name out of `known` that `key` was probably meant to be, if one is near enough. */
export function nearest(key: string, known: readonly string[]): string | undefined {
  const plain = (name: string) => name.replaceAll(/[-_ ]/g, "").toLowerCase();
  let best: { name: string; distance: number } | undefined;
  for (const name of known) {
    const distance = editDistance(plain(key), plain(name));
    if (best === undefined || distance < best.distance) best = { name, distance };
  }
  return best && best.distance <= Math.max(1, Math.floor(key.length / 3)) ? best.name : undefined;
}

/** ` (did you mean custom?)`, or nothing if no name is near enough. */
export function didYouMean(name: string, known: readonly string[]): string {
  const likely = nearest(name, known);
  return likely === undefined ? "" : ` (did you mean ${likely}?)`;
}

/** Letters to put in, leave out, replace or swap with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let [before, previous]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let distance = Math.min(substitute, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwapped) distance = Math.min(distance, (before[j - 2] ?? 0) + 1);
      row.push(distance);
    }
    [before, previous] = [previous, row];
  }
  return previous[b.length] ?? 0;
}
