/** Pages from charts: what a browser and a reader of screens need to hold. */
import { expect, test } from "vitest";
import { heatMap } from "#dist/page/chart.js";
import { escaped, renderPage } from "#dist/page/html.js";

const names = Array.from({ length: 20 }, (_, i) => `class ${i}`);
const chart = (id: string) =>
  heatMap({
    ...{ id, title: `Matrix <${id}>`, caption: "What & where.", rowTitle: "true", columnTitle: "said" },
    ...{ rowNames: names, columnNames: names, values: names.map((_, r) => names.map((__, c) => r * c)) },
  });

test("many pictures with legends share no names", async () => {
  const charts = [chart("first"), chart("second")];
  const page = await renderPage({
    ...{ title: "Two <matrices>", subtitle: "" },
    sections: [{ id: "both", title: "Both", blocks: [{ type: "charts", charts }] }],
  });
  const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const used = [...page.matchAll(/url\(#([^)]+)\)/g)].map(([, id]) => id);
  expect(used.length).toBeGreaterThan(3);
  for (const id of used) expect(ids).toContain(id);
  expect(page).toContain("<h1>Two &lt;matrices&gt;</h1>");
  expect(page).not.toContain("<first>");
});

test("what is text stays text", () => {
  expect(escaped(`<a href="x">&</a>`)).toBe("&lt;a href=&quot;x&quot;&gt;&amp;&lt;/a&gt;");
});
