/** A trainer's model as a folder. */
import { saveModelFolder } from "../models/folder.js";
import type { TrainerParts } from "./setup.js";

/** Writes the present weights with all that is needed to use them; see `saveModelFolder` for what it throws. */
export async function saveModel({ model, config, tokenizer }: TrainerParts, folder: string): Promise<void> {
  await saveModelFolder(folder, {
    config,
    tokenizerFiles: tokenizer.files(),
    writeWeights: (path) => model.save("model", path, { format: "pt" }),
  });
}
