import { expect, it } from "vitest";
import { classificationReport, confusionMatrix } from "#dist/metrics/index.js";
import { renderClassReport, renderRunReport } from "#dist/render/class-report.js";

const labels = ["sports", "体育", "art|ists"];
const answers = { predictions: [0, 1, 1, 0], references: [0, 1, 0, 2] };
const evaluation = {
  labels,
  report: classificationReport({ labels, ...answers }),
  confusionMatrix: confusionMatrix({ labels: 3, ...answers }),
};

it("is a table for a terminal, wide characters counted as two", () => {
  expect(renderClassReport(evaluation)).toBe(
    `
                  precision  recall  f1      support
----------------  ---------  ------  ------  -------
sports            0.5000     0.5000  0.5000        2
体育              0.5000     1.0000  0.6667        1
art|ists          0.0000     0.0000  0.0000        1
accuracy                             0.5000        4
macro average     0.3333     0.5000  0.3889        4
weighted average  0.3750     0.5000  0.4167        4

reference \\ predicted  sports  体育  art|ists
---------------------  ------  ----  --------
sports                      1     1         0
体育                        0     1         0
art|ists                    1     0         0

Never predicted: art|ists`.slice(1),
  );
});

it("is Markdown in a run's folder, with macro and weighted F1 by name", () => {
  const text = renderRunReport("tickets", [
    { ...evaluation, split: "test", loss: 0.5, metrics: { accuracy: 0.5 } },
  ]);
  expect(text).toContain(
    "# tickets\n\n## test\n\nloss 0.5000, accuracy 0.5000, macro F1 0.3889, weighted F1 0.4167\n\n|",
  );
  expect(text).toContain("| art\\|ists");
  expect(text).toMatch(/Never predicted: .*\n$/);
});

it("leaves a matrix that nobody can read to report.json", () => {
  const many = Array.from({ length: 31 }, (_, i) => `class ${i}`);
  const one = { predictions: [0], references: [0] };
  const text = renderClassReport({
    labels: many,
    report: classificationReport({ labels: many, ...one }),
    confusionMatrix: confusionMatrix({ labels: 31, ...one }),
  });
  expect(text).toContain("31 classes stands in report.json");
  expect(text).not.toContain("reference \\ predicted");
});

it("says so where there are no classes", () => {
  expect(renderClassReport({ labels: [], report: null, confusionMatrix: null })).toMatch(/^No report/);
});
