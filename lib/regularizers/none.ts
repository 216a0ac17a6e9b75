import { define } from "./definition.js";

export const none = define({
  type: "none",
  fields: [],
  forwards: { always: 1 },
  passes: () => 1,
  summary: "cross-entropy (or squared error) alone",
});
