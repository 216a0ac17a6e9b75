/** From Vega-Lite specifications to SVG and PNG. Both libraries are loaded when something is drawn, not before. */
import type { TopLevelSpec } from "vega-lite";

export type Theme = "light" | "dark";

const FONT = "system-ui, 'DejaVu Sans', sans-serif";

/** Transparent, so that a picture lies on the page's own ground. */
function configOf(theme: Theme) {
  const [ink, faint] = theme === "light" ? ["#222", "#ddd"] : ["#e6e6e6", "#444"];
  const palette = theme === "light" ? LIGHT : DARK;
  const text = { labelColor: ink, titleColor: ink, labelFont: FONT, titleFont: FONT };
  return {
    background: "transparent",
    font: FONT,
    view: { stroke: faint },
    axis: { ...text, gridColor: faint, domainColor: ink, tickColor: ink, titleFontWeight: "normal" },
    legend: { ...text, symbolStrokeWidth: 3 },
    header: text,
    mark: { color: palette[0] },
    range: { category: palette },
  } as const;
}

// Okabe and Ito's colours, which people who see few colours can tell apart; on dark ground without the black.
const LIGHT = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a8a00"];
const DARK = ["#56b4e9", "#e69f00", "#00c090", "#ef9fc8", "#f0e442", "#ff8a4c", "#ffffff", "#9fa8da"];

/** A page and a file want the same picture. */
const drawn: Readonly<Record<Theme, WeakMap<TopLevelSpec, Promise<string>>>> = {
  light: new WeakMap(),
  dark: new WeakMap(),
};

/** An SVG element with its own size; the same specification is drawn once. */
export function drawSvg(spec: TopLevelSpec, theme: Theme = "light"): Promise<string> {
  const svg = drawn[theme].get(spec) ?? draw(spec, theme);
  drawn[theme].set(spec, svg);
  return svg;
}

async function draw(spec: TopLevelSpec, theme: Theme): Promise<string> {
  const [vega, { compile }] = await Promise.all([import("vega"), import("vega-lite")]);
  const { spec: compiled } = compile({ ...spec, config: configOf(theme) } as TopLevelSpec);
  const view = new vega.View(vega.parse(compiled), { renderer: "none", logLevel: vega.Error });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** A PNG of an SVG on white, twice its size. Fonts are the system's. */
export async function drawPng(svg: string): Promise<Uint8Array> {
  const { Resvg } = await import("@resvg/resvg-js");
  const picture = new Resvg(svg, {
    background: "white",
    fitTo: { mode: "zoom", value: 2 },
    font: { loadSystemFonts: true, defaultFontFamily: "DejaVu Sans" },
  });
  return picture.render().asPng();
}
