/** The model that a command names: a folder, or one of the hub, which is fetched with a bar. */
import { isModelType } from "../config/fields.js";

/** Fetches a model of the hub that is not in the cache yet; whoever loads the model afterwards finds it there. */
export async function fetchNamedModel(model: string, signal: AbortSignal): Promise<void> {
  if (isModelType(model)) return;
  const [{ fetchModel }, { createDownloadDisplay }] = await Promise.all([
    import("../hub/fetch-model.js"),
    import("../report/download.js"),
  ]);
  const display = createDownloadDisplay(model);
  try {
    await fetchModel(model, { signal, onProgress: display.update });
  } finally {
    display.stop();
  }
}
