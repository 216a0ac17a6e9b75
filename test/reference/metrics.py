"""Makes fixtures/metrics.json: what scikit-learn and SciPy give for random and for awkward inputs.

    pip install numpy scipy scikit-learn
    python test/reference/metrics.py
"""

import json
import math
import pathlib
import warnings

import numpy as np
import scipy
import sklearn
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
)

warnings.simplefilter("ignore")  # undefined scores warn; the fixtures say what they are
random = np.random.default_rng(20220701)


def classification(name, classes, references, predictions):
    references, predictions = np.asarray(references), np.asarray(predictions)
    case = {
        "name": name,
        "labels": classes,
        "references": references.tolist(),
        "predictions": predictions.tolist(),
        "accuracy": accuracy_score(references, predictions),
        "macroF1": f1_score(references, predictions, average="macro", zero_division=0),
        "matthews": matthews_corrcoef(references, predictions),
        "confusion": confusion_matrix(references, predictions, labels=range(classes)).tolist(),
        "report": classification_report(references, predictions, output_dict=True, zero_division=0),
    }
    if classes == 2:
        case["binaryF1"] = f1_score(references, predictions, average="binary", zero_division=0)
    return case


def noisy(classes, rows, correct):
    references = random.integers(classes, size=rows)
    predictions = np.where(random.random(rows) < correct, references, random.integers(classes, size=rows))
    return references, predictions


def label_sets(name, references, predictions):
    references, predictions = np.asarray(references), np.asarray(predictions)
    return {
        "name": name,
        "labels": references.shape[1],
        "references": references.flatten().tolist(),
        "predictions": predictions.flatten().tolist(),
        "accuracy": accuracy_score(references, predictions),
        "microF1": f1_score(references, predictions, average="micro", zero_division=0),
        "macroF1": f1_score(references, predictions, average="macro", zero_division=0),
    }


def correlation(name, x, y):
    def value(r):
        return None if math.isnan(r) else float(r)

    return {
        "name": name,
        "x": np.asarray(x, dtype=float).tolist(),
        "y": np.asarray(y, dtype=float).tolist(),
        "pearson": value(pearsonr(x, y)[0]) if len(x) > 1 else None,
        "spearman": value(spearmanr(x, y)[0]) if len(x) > 1 else None,
    }


x = random.normal(size=60)
# Apart, so that the numbers of the others stay what they were.
sets = np.random.default_rng(20221207)
scores = np.round(random.uniform(0, 5, size=80) * 5) / 5
fixtures = {
    "versions": {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__},
    "classification": [
        classification("two classes", 2, *noisy(2, 100, 0.8)),
        classification("two classes, skewed", 2, (random.random(90) < 0.1).astype(int), (random.random(90) < 0.2).astype(int)),
        classification("five classes", 5, *noisy(5, 120, 0.6)),
        classification("fifteen classes, few rows", 15, *noisy(15, 40, 0.5)),
        classification("all right", 3, [0, 1, 2, 0], [0, 1, 2, 0]),
        classification("all wrong", 2, [0, 1, 0, 1], [1, 0, 1, 0]),
        classification("one row", 2, [1], [1]),
        classification("one class in both", 2, [0, 0, 0], [0, 0, 0]),
        classification("one predicted class", 3, [0, 1, 2, 1], [1, 1, 1, 1]),
        classification("one reference class", 3, [2, 2, 2], [2, 0, 1]),
        classification("a class only predicted", 4, [0, 1, 0, 1], [0, 1, 3, 1]),
        classification("a class only in the references", 4, [0, 1, 3, 1], [0, 1, 0, 1]),
        classification("classes that occur nowhere", 6, [0, 4, 4, 0], [4, 4, 0, 0]),
    ],
    "labelSets": [
        label_sets("four labels", sets.integers(2, size=(50, 4)), sets.integers(2, size=(50, 4))),
        label_sets("seldom labels", (sets.random((60, 7)) < 0.1).astype(int), (sets.random((60, 7)) < 0.15).astype(int)),
        label_sets("a label that occurs nowhere", [[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [1, 1, 0]]),
        label_sets("nothing given", [[1, 0], [1, 1]], [[0, 0], [0, 0]]),
        label_sets("no labels at all", [[0, 0], [0, 0]], [[0, 0], [0, 0]]),
        label_sets("all right", [[1, 0], [1, 1], [0, 0]], [[1, 0], [1, 1], [0, 0]]),
    ],
    "correlation": [
        correlation("random", x, 0.7 * x + 0.5 * random.normal(size=60)),
        correlation("unrelated", random.normal(size=50), random.normal(size=50)),
        correlation("falling", x, -2 * x + 3),
        correlation("ties in both", scores, np.round(np.clip(scores + random.normal(size=80), 0, 5))),
        correlation("mostly ties", random.integers(2, size=40), random.integers(3, size=40)),
        correlation("far from zero", 1e6 + x, 1e6 + 0.3 * x + random.normal(size=60)),
        correlation("large", 1e200 * x, 1e-200 * (x + random.normal(size=60))),
        correlation("monotone", np.arange(20), np.exp(np.arange(20))),
        correlation("two rows", [1, 2], [5, 3]),
        correlation("constant first", [2, 2, 2, 2], [1, 2, 3, 4]),
        correlation("constant second", [1, 2, 3, 4], [0.1, 0.1, 0.1, 0.1]),
        correlation("both constant", [1, 1, 1], [1, 1, 1]),
        correlation("one row", [1], [2]),
        correlation("no rows", [], []),
    ],
}

target = pathlib.Path(__file__).parent / "fixtures" / "metrics.json"
target.write_text(json.dumps(fixtures, separators=(",", ":")) + "\n")
