import { define } from "./definition.js";

export const none = define({
  type: "none",
  fields: [],
  forwards: { always: 1 },
  hasCleanPass: false,
  summary: "cross-entropy (or squared error) alone",
});
