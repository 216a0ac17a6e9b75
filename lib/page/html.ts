/**
 * A page in one file: no script, no network, everything inside. Pictures are SVG, drawn for light and for dark, each with its
 * numbers as a table behind it.
 */
import type { Cell } from "../render/table.js";
import type { Chart } from "./chart.js";
import { drawSvg } from "./draw.js";

/** A part of a page. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly blocks: readonly Block[];
}

export type Block =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "list"; readonly items: readonly string[] }
  | { readonly type: "code"; readonly text: string }
  | { readonly type: "facts"; readonly facts: readonly (readonly [name: string, value: string])[] }
  | {
      readonly type: "table";
      readonly caption: string;
      readonly header: readonly string[];
      readonly rows: readonly (readonly Cell[])[];
    }
  | { readonly type: "charts"; readonly charts: readonly Chart[] };

export interface Page {
  readonly title: string;
  /** One line below the title. */
  readonly subtitle: string;
  readonly sections: readonly Section[];
}

export async function renderPage({ title, subtitle, sections }: Page): Promise<string> {
  const bodies: string[] = [];
  for (const section of sections) bodies.push(await renderSection(section));
  const contents = sections.map(({ id, title: name }) => `<li><a href="#${id}">${escaped(name)}</a></li>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="r-at">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header><h1>${escaped(title)}</h1><p>${escaped(subtitle)}</p></header>
<nav aria-label="Contents"><ul>${contents.join("")}</ul></nav>
<main id="main">
${bodies.join("\n")}
</main>
</body>
</html>
`;
}

async function renderSection({ id, title, blocks }: Section): Promise<string> {
  const parts: string[] = [];
  for (const block of blocks) parts.push(await renderBlock(block));
  return `<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${escaped(title)}</h2>\n${parts.join("\n")}</section>`;
}

async function renderBlock(block: Block): Promise<string> {
  switch (block.type) {
    case "text":
      return `<p>${escaped(block.text)}</p>`;
    case "list":
      return `<ul>${block.items.map((item) => `<li>${escaped(item)}</li>`).join("")}</ul>`;
    case "code":
      return `<pre tabindex="0"><code>${escaped(block.text)}</code></pre>`;
    case "facts":
      return `<dl>${block.facts.map(([name, value]) => `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`).join("")}</dl>`;
    case "table":
      return scrolling(block.caption, tableOf(block.header, block.rows, block.caption));
    case "charts": {
      const figures: string[] = [];
      for (const chart of block.charts) figures.push(await renderChart(chart));
      return `<div class="charts">${figures.join("\n")}</div>`;
    }
  }
}

async function renderChart({ id, title, caption, spec, header, rows }: Chart): Promise<string> {
  const picture = async (theme: "light" | "dark") =>
    `<div class="${theme}" role="img" aria-label="${escaped(`${title}. ${caption}`)}">${embedded(await drawSvg(spec, theme), `${id}-${theme}`)}</div>`;
  return `<figure id="${id}">
<h3>${escaped(title)}</h3>
${await picture("light")}${await picture("dark")}
<figcaption>${escaped(caption)}</figcaption>
<details><summary>The numbers</summary>${scrolling(title, tableOf(header, rows))}</details>
</figure>`;
}

/**
 * An SVG as a part of a page: as wide as there is room, at most its own size; what is in it is said by the figure; its names are
 * its own, as a page has many.
 */
function embedded(svg: string, name: string): string {
  const [, width = "420"] = /^<svg[^>]* width="([\d.]+)"/.exec(svg) ?? [];
  return svg
    .replaceAll(/ (?:role|aria-[a-z]+)="[^"]*"/g, "")
    .replaceAll(/ id="([^"]+)"/g, ` id="${name}-$1"`)
    .replaceAll(/url\(#([^)]+)\)/g, `url(#${name}-$1)`)
    .replace(
      /^<svg([^>]*?) width="[\d.]+" height="[\d.]+"/,
      `<svg$1 aria-hidden="true" style="width:100%;max-width:${width}px;height:auto"`,
    );
}

/** A wide table is moved with the keys too. */
function scrolling(name: string, content: string): string {
  return `<div class="scroll" role="region" aria-label="${escaped(name)}" tabindex="0">${content}</div>`;
}

function tableOf(header: readonly string[], rows: readonly (readonly Cell[])[], caption?: string): string {
  const isNumber = header.map((_, c) =>
    rows.every((row) => row[c] === null || row[c] === undefined || typeof row[c] === "number"),
  );
  const cell = (value: Cell | undefined, c: number) => {
    const text =
      value === null || value === undefined ? "–" : typeof value === "number" ? shortNumber(value) : value;
    return `<td${isNumber[c] ? ' class="number"' : ""}>${escaped(text)}</td>`;
  };
  const head = header.map((name) => `<th scope="col">${escaped(name)}</th>`).join("");
  const body = rows.map((row) => `<tr>${header.map((_, c) => cell(row[c], c)).join("")}</tr>`).join("\n");
  return `<table>${caption === undefined ? "" : `<caption>${escaped(caption)}</caption>`}<thead><tr>${head}</tr></thead><tbody>\n${body}</tbody></table>`;
}

function shortNumber(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c] ?? c);
}

const STYLE = `
:root { --ground: #fff; --ink: #222; --faint: #666; --line: #ddd; --link: #0b5cad; --panel: #f6f7f8; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ground: #15181c; --ink: #e6e6e6; --faint: #a5adb5; --line: #3a4048; --link: #7db8f5; --panel: #1e2329; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 70rem; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: .5rem 0 0; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid var(--line); } h3 { font-size: 1rem; margin: 0 0 .3rem; }
header p, figcaption, caption, dt { color: var(--faint); } header p { margin: .2rem 0 0; }
a { color: var(--link); } a:focus-visible, summary:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0; list-style: none; }
.charts { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
figure { margin: 0; } figcaption, details { font-size: .9rem; }
.dark { display: none; } @media (prefers-color-scheme: dark) { .light { display: none; } .dark { display: block; } }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; margin: .5rem 0; } caption { text-align: left; padding-bottom: .3rem; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; overflow-wrap: normal; } thead th { background: var(--panel); } .number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: var(--panel); padding: .7rem; overflow-x: auto; white-space: pre-wrap; } dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .6rem; margin: 0; } dd { margin: 0; font-weight: 600; }
`;
