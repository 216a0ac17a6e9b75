import { describe, expect, it } from "vitest";
import { displayWidth, meanAndDeviation, renderTable } from "#dist/render/table.js";

describe("renderTable", () => {
  it("aligns words left and numbers right", () => {
    const table = renderTable(
      ["class", "f1", "rows"],
      [
        ["World", 0.91234, 1900],
        ["Sports", 0.9, 80],
      ],
      { decimals: 3 },
    );
    expect(table).toBe(
      ["class      f1  rows", "------  -----  ----", "World   0.912  1900", "Sports  0.900    80"].join("\n"),
    );
  });

  it("writes Markdown with alignment, escaping bars and line breaks", () => {
    const table = renderTable(["a|b", "n"], [["x|y\nz", 1]], { format: "markdown" });
    expect(table.split("\n").slice(1)).toEqual(["| ------ | --: |", "| x\\|y z |   1 |"]);
  });

  it("shows null as a dash and fills up short rows", () => {
    expect(
      renderTable(["a", "b", "c"], [["x", null], ["y"]])
        .split("\n")
        .slice(2),
    ).toEqual(["x  -", "y"]);
  });

  it("counts Chinese characters as two columns and accents as none", () => {
    expect(displayWidth("财经")).toBe(4);
    expect(displayWidth("e\u0301")).toBe(1);
    const table = renderTable(["类别", "n"], [["财经新闻", 1]]);
    expect(table.split("\n")).toEqual(["类别      n", "--------  -", "财经新闻  1"]);
  });
});

describe("meanAndDeviation", () => {
  it("uses the sample deviation", () => {
    // statistics.stdev([0.8, 0.82, 0.87]) = 0.036055...
    expect(meanAndDeviation([0.8, 0.82, 0.87])).toBe("0.830 ± 0.036");
  });
  it("gives a single value alone", () => {
    expect(meanAndDeviation([0.5], 2)).toBe("0.50");
  });
});
