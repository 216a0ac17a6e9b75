/** Small tables for people, as plain text or Markdown. Numbers are aligned right, words left. */

/** One cell; null is shown as a dash. */
export type Cell = string | number | null;

export interface TableOptions {
  /** Default: `text`, columns two blanks apart under a rule. */
  readonly format?: "text" | "markdown";
  /** Decimals of numbers that are not integers. Default: 4. */
  readonly decimals?: number;
}

/**
 * A table as text that ends without a line break.
 *
 * @param header Column names; a row that is shorter is filled up with empty cells.
 */
export function renderTable(
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
  options: TableOptions = {},
): string {
  const { format = "text", decimals = 4 } = options;
  const columns = header.map((name, c) => {
    const cells = rows.map((row) => {
      const text = formatCell(row[c] ?? (c < row.length ? null : ""), decimals).replace(/\s+/g, " ");
      return format === "markdown" ? text.replaceAll("|", "\\|") : text;
    });
    const values = rows.map((row) => row[c]).filter((value) => value !== undefined && value !== null);
    const right = values.length > 0 && values.every((value) => typeof value === "number");
    const width = Math.max(...[name, ...cells].map(displayWidth), format === "markdown" ? 3 : 0);
    return { name, cells, right, width };
  });
  const line = (texts: readonly string[]) => {
    const padded = columns.map(({ right, width }, c) => pad(texts[c] ?? "", width, right));
    return format === "markdown" ? `| ${padded.join(" | ")} |` : padded.join("  ").trimEnd();
  };
  const rule =
    format === "markdown"
      ? line(columns.map(({ right, width }) => (right ? `${"-".repeat(width - 1)}:` : "-".repeat(width))))
      : columns.map(({ width }) => "-".repeat(width)).join("  ");
  const body = rows.map((_, r) => line(columns.map(({ cells }) => cells[r] ?? "")));
  return [line(header), rule, ...body].join("\n");
}

/** Mean and sample standard deviation (n - 1) as `0.812 ± 0.004`; a single value stands alone. */
export function meanAndDeviation(values: readonly number[], decimals = 3): string {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return mean.toFixed(decimals);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return `${mean.toFixed(decimals)} ± ${Math.sqrt(squares / (values.length - 1)).toFixed(decimals)}`;
}

/** Columns that `text` takes on a terminal: Chinese, Japanese, Korean and most emoji take two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += wide.test(character) ? 2 : zeroWidth.test(character) ? 0 : 1;
  return width;
}

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const zeroWidth = /\p{Mn}|\p{Cf}/u;

function formatCell(value: Cell, decimals: number): string {
  if (value === null) return "-";
  if (typeof value === "string") return value;
  return Number.isInteger(value) || !Number.isFinite(value) ? String(value) : value.toFixed(decimals);
}

function pad(text: string, width: number, right: boolean): string {
  const blanks = " ".repeat(Math.max(0, width - displayWidth(text)));
  return right ? blanks + text : text + blanks;
}
