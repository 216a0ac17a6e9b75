/** `r-at doctor`: what is installed, what was found, and what would make it better. */
import type { Command } from "commander";
import { print, printJson } from "./output.js";

/** Adds the command. It works without the addon: that is when it is needed. */
export function defineDoctor(program: Command): void {
  program
    .command("doctor")
    .description("check Node, LibTorch, compiler, GPU and the addon")
    .option("--json", "print everything as one JSON object")
    .action(async (flags: { json?: boolean }) => {
      const { diagnose, renderDiagnosis } = await import("../doctor.js");
      const diagnosis = await diagnose();
      if (flags.json) await printJson({ command: "doctor", ...diagnosis });
      else await print(renderDiagnosis(diagnosis));
    });
}
