/** A trainer's model as a folder. */
import { saveModelFolder } from "../models/folder.js";
import type { TrainerParts } from "./parts.js";

/** Writes the present weights with all that is needed to use them; see `saveModelFolder` for what it throws. */
export async function saveModel(
  { model, config, tokenizer }: TrainerParts,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const content = {
    config,
    tokenizerFiles: tokenizer.files(),
    writeWeights: (path: string) => model.save("model", path, { format: "pt" }),
  };
  await saveModelFolder(folder, content, signal);
}
