/** What the simulated device did: its log (device/memory.cc), and where in our sources each entry comes from. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { addonFolder } from "#dist/native/load.js";

export interface DeviceEvent {
  readonly kind:
    | ("launch" | "operator" | "graph")
    | ("h2d" | "h2d-blocking" | "d2h" | "sync" | "nondeterministic");
  readonly what: string;
  readonly bytes: number;
  /** Return addresses in the addon, innermost first. */
  readonly addresses: readonly string[];
}

/** Starts the log of this process. To be called before the addon is used: the device reads the variable once. */
export function startLog(): { eventsOf: (work: () => Promise<unknown>) => Promise<DeviceEvent[]> } {
  const folder = mkdtempSync(join(tmpdir(), "rat-gpu-sim-"));
  const path = join(folder, "log.tsv");
  Object.assign(process.env, { RAT_GPU_SIM_LOG: path });
  afterAll(() => rmSync(folder, { recursive: true }));
  const lines = () => (existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : []);
  return {
    async eventsOf(work) {
      const before = lines().length;
      await work();
      return lines()
        .slice(before)
        .map((line) => {
          const [kind, what = "", bytes, ...addresses] = line.split("\t");
          return { kind: kind as DeviceEvent["kind"], what, bytes: Number(bytes), addresses };
        });
    },
  };
}

/** One line an event: what it was, and the lines of native/ that led to it. For the message of a test that fails. */
export function describeEvents(events: readonly DeviceEvent[]): string {
  const addresses = [...new Set(events.flatMap((event) => event.addresses))];
  if (addresses.length === 0) return events.map(({ kind, what }) => `${kind} ${what}`).join("\n");
  const options = { encoding: "utf8", maxBuffer: 1 << 28 } as const;
  const lines = execFileSync(
    "addr2line",
    ["-e", join(addonFolder(), "rat.node"), ...addresses.map((address) => `0x${address}`)],
    options,
  ).split("\n");
  const place = new Map(addresses.map((address, i) => [address, lines[i] ?? ""]));
  return events
    .map(({ kind, what, addresses: trail }) => {
      const ours = trail.map((address) => /\/native\/(\S+)/.exec(place.get(address) ?? "")?.[1]);
      return `${kind} ${what}: ${[...new Set(ours.filter(Boolean))].slice(0, 3).join(" < ") || "(autograd)"}`;
    })
    .join("\n");
}
