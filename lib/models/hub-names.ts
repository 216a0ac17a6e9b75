/** What models of the hub are called, for those who forget whose they are. */

/** Where models live that everybody calls by their bare names. */
const OWNERS: Readonly<Record<string, string>> = {
  bert: "google-bert",
  roberta: "FacebookAI",
  "xlm-roberta": "FacebookAI",
  albert: "albert",
  distilbert: "distilbert",
  distilroberta: "distilbert",
  electra: "google",
  camembert: "almanach",
};

/** What to type for a bare name that is no folder. */
export function adviceFor(name: string): string {
  const family = Object.keys(OWNERS)
    .filter((known) => name.startsWith(`${known}-`))
    .sort((a, b) => b.length - a.length)[0];
  return family === undefined
    ? "a model of the hub is named owner/name"
    : `to take it from the hub, type ${OWNERS[family]}/${name}`;
}
