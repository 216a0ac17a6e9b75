/** The runner of inference with this library: `Classifier`, from texts to probabilities. */
import { Classifier } from "r-at";
import { readCase, serve } from "./serve.js";

const { folder, texts, threads } = readCase();
const classifier = await Classifier.load(folder, { device: "cpu", threads });

await serve(async () => {
  const predictions = await classifier.predict(texts);
  return predictions.map((prediction) =>
    "probabilities" in prediction ? (Object.values(prediction.probabilities)[0] ?? 0) : 0,
  );
});
await classifier.dispose();
