/** `r-at convert-alpha`: a weight of the divergence from one repository's convention to another's. */
import { Argument, type Command, Option } from "commander";
import { ALPHA_CONVENTIONS, type AlphaConvention, convertAlpha } from "../regularizers/alpha.js";
import { refusalIsUsage } from "./failure.js";
import { print, printJson } from "./output.js";

interface ConvertFlags {
  readonly from: AlphaConvention;
  readonly to: AlphaConvention;
  readonly batchSize: string;
  readonly classes: string;
  readonly json?: boolean;
}

const names = Object.keys(ALPHA_CONVENTIONS) as AlphaConvention[];

/** Adds the command. */
export function defineConvertAlpha(program: Command): void {
  const width = Math.max(...names.map((name) => name.length)) + 2;
  const list = names.map((name) => `  ${name.padEnd(width)}${ALPHA_CONVENTIONS[name].summary}`).join("\n");
  program
    .command("convert-alpha")
    .description("the weight of the divergence in another convention")
    .addArgument(new Argument("<alpha>", "the weight"))
    .addOption(new Option("--from <name>", "whose weight it is").choices(names).makeOptionMandatory())
    .addOption(
      new Option("--to <name>", "the convention that is wanted").choices(names).default("batch-mean"),
    )
    .addOption(new Option("--batch-size <n>", "examples of a step").default("32"))
    .addOption(new Option("--classes <n>", "number of classes").default("2"))
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `\nConventions (those of --kl-reduction first):\n${list}\n\nExample:\n  $ r-at convert-alpha 0.5 --from r-at-code --batch-size 32`,
    )
    .action(async (text: string, flags: ConvertFlags) => {
      const { from, to } = flags;
      const sizes = { batchSize: Number(flags.batchSize), classes: Number(flags.classes) };
      const alpha = text.trim() === "" ? Number.NaN : Number(text);
      const converted = await refusalIsUsage((async () => convertAlpha(alpha, { from, to, ...sizes }))());
      if (flags.json) await printJson({ command: "convert-alpha", alpha, from, to, ...sizes, converted });
      else await print(`${alpha} (${from}) is ${converted} (${to})`);
    });
}
