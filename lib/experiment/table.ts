/** From the results of cells to the figures of a table. Everything here is the same whoever ran the cells, and when. */
import type { MetricName } from "../metrics/types.js";
import { AVERAGE_COLUMNS, averagesOf, isGlue } from "./averages.js";
import type { Cell } from "./cells.js";
import type { CellFailure, CellResult } from "./folder.js";
import type { ExperimentPlan } from "./plan.js";
import {
  brownForsythe,
  comparePairs,
  holm,
  type PairedComparison,
  type Spread,
  spreadOf,
} from "./statistics.js";

/** One training's part of an entry. */
export interface SeedScore {
  readonly seed: number;
  /** Of the cell; empty for an average over cells. */
  readonly hash: string;
  /** A fraction; null where the metric is undefined, and without a result. */
  readonly score: number | null;
  /** `missing`: not run yet. */
  readonly state: "done" | "collapsed" | "failed" | "missing";
}

/** A gain over a baseline: same model, data and seed. */
export interface Gain extends PairedComparison {
  readonly baseline: string;
  /** `tTest` and `wilcoxon` by Holm over all gains of the table. */
  readonly tTestHolm: number | null;
  readonly wilcoxonHolm: number | null;
}

/** Where a row and a column of a group meet. */
export interface Entry {
  readonly group: string;
  readonly row: string;
  readonly column: string;
  readonly metric: MetricName | null;
  readonly split: "dev" | "test" | null;
  readonly seeds: readonly SeedScore[];
  /** Of the scores there are, those of collapsed runs too; null if there is none. */
  readonly spread: Spread | null;
  readonly gains: readonly Gain[];
  /** What was published, a fraction; null where that is not known. */
  readonly paper: number | null;
  /** Forwards with a backward in a step; null without a result. */
  readonly passes: number | null;
  /** p of the Brown-Forsythe test against the same method without its consistency loss; null without one. */
  readonly varianceTest: number | null;
}

export interface ExperimentTable {
  readonly name: string;
  readonly title: string;
  readonly notes: readonly string[];
  readonly columns: readonly string[];
  /** Group by group and row by row, as planned. */
  readonly entries: readonly Entry[];
}

const WITH_KL = "R-AT";
const WITHOUT_KL = "R-AT without KL";

/** Before it is compared. */
type PlainEntry = Omit<Entry, "gains" | "paper" | "varianceTest">;

type PlannedCell = Pick<Cell, "hash" | "group" | "row" | "column" | "seed">;

/** Puts the table together; cells without a result are missing, not left out. */
export function tableOf(
  plan: Omit<ExperimentPlan, "runs">,
  cells: readonly PlannedCell[],
  results: ReadonlyMap<string, CellResult>,
  failures: ReadonlyMap<string, CellFailure>,
): ExperimentTable {
  const columns = [...new Set(cells.map(({ column }) => column))];
  const ofCells = groupBy(cells, keyOf).map((own) => entryOf(own, results, failures));
  const entries = isGlue(columns) ? [...ofCells, ...averageEntries(ofCells, results)] : ofCells;
  const find = (group: string, row: string, column: string) =>
    entries.find((entry) => entry.group === group && entry.row === row && entry.column === column);
  const compared = entries.map((entry) => {
    // A baseline is compared with those before it: the other way round says the same.
    const own = plan.baselines.indexOf(entry.row);
    const gains = (own < 0 ? plan.baselines : plan.baselines.slice(0, own)).flatMap((baseline) => {
      const differences = pairs(entry, find(entry.group, baseline, entry.column));
      return differences.length === 0 ? [] : [{ baseline, ...comparePairs(differences) }];
    });
    const other = entry.row === WITH_KL ? find(entry.group, WITHOUT_KL, entry.column) : undefined;
    const published = plan.paper?.[entry.group]?.[entry.row]?.[entry.column];
    const paper = published === undefined ? null : published / 100;
    return {
      ...entry,
      gains,
      paper,
      varianceTest: other ? brownForsythe(scoresOf(entry), scoresOf(other)) : null,
    };
  });
  return {
    ...{ name: plan.name, title: plan.title, notes: notesOf(plan, entries) },
    columns: isGlue(columns) ? [...columns, ...AVERAGE_COLUMNS] : columns,
    entries: withHolm(compared),
  };
}

/** Each seed's averages over the nine tasks of GLUE, as entries of their own. */
function averageEntries(
  entries: readonly PlainEntry[],
  results: ReadonlyMap<string, CellResult>,
): PlainEntry[] {
  return groupBy(entries, ({ group, row }) => JSON.stringify([group, row])).flatMap((own) => {
    const hashOf = (column: string, seed: number) =>
      own.find((entry) => entry.column === column)?.seeds.find((each) => each.seed === seed)?.hash ?? "";
    const seeds = own[0]?.seeds.map(({ seed }) => seed) ?? [];
    const averages = averagesOf(seeds, (column, seed) => results.get(hashOf(column, seed)));
    return AVERAGE_COLUMNS.map((column, i): PlainEntry => {
      const scores = averages.map(({ seed, numbers, tasks }): SeedScore => {
        const score = i === 0 ? numbers : tasks;
        return { seed, hash: "", score, state: score === null ? "missing" : "done" };
      });
      const known = scoresOf({ seeds: scores });
      return {
        ...{ group: own[0]?.group ?? "", row: own[0]?.row ?? "", column, seeds: scores },
        ...{ metric: null, split: null, passes: null },
        spread: known.length === 0 ? null : spreadOf(known),
      };
    });
  });
}

function notesOf(plan: Pick<ExperimentPlan, "notes">, entries: readonly PlainEntry[]): string[] {
  const seeds = entries.flatMap((entry) => entry.seeds).filter(({ hash }) => hash !== "");
  const count = (state: SeedScore["state"]) => seeds.filter((each) => each.state === state).length;
  const isSelected = entries.some(({ split }) => split === "dev");
  return [
    ...plan.notes,
    ...(isSelected ? ["Dev scores are of the checkpoint that was best on the same dev set."] : []),
    ...(count("collapsed") > 0
      ? [`${count("collapsed")} runs collapsed: they give every text the same answer (†).`]
      : []),
    ...(count("failed") > 0 ? [`${count("failed")} runs failed.`] : []),
    ...(count("missing") > 0 ? [`${count("missing")} of ${seeds.length} runs are still missing.`] : []),
  ];
}

function entryOf(
  cells: readonly PlannedCell[],
  results: ReadonlyMap<string, CellResult>,
  failures: ReadonlyMap<string, CellFailure>,
): PlainEntry {
  const [first] = cells;
  const found = cells.map(({ hash }) => results.get(hash)).find((result) => result !== undefined);
  const seeds = cells.map(({ seed, hash }): SeedScore => {
    const result = results.get(hash);
    if (result) return { seed, hash, score: result.score, state: result.isCollapsed ? "collapsed" : "done" };
    return { seed, hash, score: null, state: failures.has(hash) ? "failed" : "missing" };
  });
  const scores = scoresOf({ seeds });
  return {
    ...{ group: first?.group ?? "", row: first?.row ?? "", column: first?.column ?? "", seeds },
    ...{ metric: (found?.metric as MetricName) ?? null, split: found?.split ?? null },
    ...{ spread: scores.length === 0 ? null : spreadOf(scores), passes: found?.passes ?? null },
  };
}

function scoresOf({ seeds }: Pick<Entry, "seeds">): number[] {
  return seeds.flatMap(({ score }) => (score === null ? [] : [score]));
}

/** Differences by seed, where both have a score. */
function pairs(entry: Pick<Entry, "seeds">, baseline: Pick<Entry, "seeds"> | undefined): number[] {
  return entry.seeds.flatMap(({ seed, score }) => {
    const other = baseline?.seeds.find((each) => each.seed === seed)?.score;
    return score === null || other === null || other === undefined ? [] : [score - other];
  });
}

type WithoutHolm = Omit<Entry, "gains"> & {
  readonly gains: readonly Omit<Gain, "tTestHolm" | "wilcoxonHolm">[];
};

function withHolm(entries: readonly WithoutHolm[]): Entry[] {
  const gains = entries.flatMap((entry) => entry.gains);
  const [tTests, wilcoxons] = [
    holm(gains.map(({ tTest }) => tTest)),
    holm(gains.map(({ wilcoxon }) => wilcoxon)),
  ];
  const place = new Map(gains.map((gain, i) => [gain, i]));
  return entries.map((entry) => ({
    ...entry,
    gains: entry.gains.map((gain) => {
      const i = place.get(gain) ?? -1;
      return { ...gain, tTestHolm: tTests[i] ?? null, wilcoxonHolm: wilcoxons[i] ?? null };
    }),
  }));
}

const keyOf = ({ group, row, column }: PlannedCell) => JSON.stringify([group, row, column]);

function groupBy<T>(values: readonly T[], key: (value: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const value of values) groups.set(key(value), [...(groups.get(key(value)) ?? []), value]);
  return [...groups.values()];
}
