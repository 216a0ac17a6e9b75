/** Metrics in words, the same everywhere. */
import type { Metrics } from "../metrics/types.js";

/** `accuracy 0.8120, f1 0.8034`; an undefined metric is a dash. */
export function formatMetrics(metrics: Metrics, count = Number.POSITIVE_INFINITY): string {
  const entries = Object.entries(metrics).slice(0, count);
  return entries.map(([name, value]) => `${name} ${value == null ? "-" : value.toFixed(4)}`).join(", ");
}
