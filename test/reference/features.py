"""Makes fixtures/features.json of test/native/features.test.ts: label smoothing, class weights, learning rates by layer and
frozen parts, each alone and all together, without a regularizer and with R-AT, in plain PyTorch.

The loss is torch.nn.CrossEntropyLoss; learning rates are groups of torch.optim.AdamW. Models, batches and steps are those of
parity.py.

    venv/bin/python test/reference/features.py
"""

import json
import re
import sys

import torch
import torch.nn.functional as F
from torch import nn

import parity
from parity import CLASSES, FIXTURES, MODELS, batches, checksums, decays, initial_model, rounded

WEIGHTS = [0.5, 2.0, 1.25]
assert len(WEIGHTS) == CLASSES
FEATURES = {
    "smoothing": {"labelSmoothing": 0.1},
    "weights": {"classWeights": WEIGHTS},
    "smoothing and weights": {"labelSmoothing": 0.2, "classWeights": WEIGHTS},
    "layer decay": {"layerDecay": 0.8},
    "frozen embeddings": {"frozenDepths": 1},
    "frozen layer": {"frozenDepths": 2},
    "all": {"labelSmoothing": 0.1, "classWeights": WEIGHTS, "layerDecay": 0.9, "frozenDepths": 1},
}
REGULARIZERS = {"none": parity.REGULARIZERS["none"], "r-at": parity.REGULARIZERS["r-at"]}
NUMBERS = {"weightDecay": 0.01, "clipNorm": 0.7}


def depth_of(model_name, name):
    """0: the embeddings, then the layers from below, then the head."""
    if name.startswith("embedding"):
        return 0
    layers = 2 if model_name == "bilstm" else 1
    if name.startswith("classifier"):
        return layers + 1
    layer = re.search(r"_l(\d)", name)
    return 1 + int(layer[1]) if layer else 1


def run(model_name, regularizer, feature):
    model = initial_model(model_name, False)
    smoothing = feature.get("labelSmoothing", 0.0)
    weights = torch.tensor(feature["classWeights"], dtype=torch.float64) if "classWeights" in feature else None
    parity.supervised = lambda outputs, labels, _regression: F.cross_entropy(
        outputs, labels, weight=weights, label_smoothing=smoothing)

    named = list(model.named_parameters())
    top = max(depth_of(model_name, name) for name, _ in named)
    trained = [(name, p) for name, p in named if depth_of(model_name, name) >= feature.get("frozenDepths", 0)]
    clip = nn.utils.clip_grad_norm_
    optimizer = torch.optim.AdamW(
        [{"params": [p], "weight_decay": NUMBERS["weightDecay"] if decays(name) else 0.0,
          "scale": feature.get("layerDecay", 1.0) ** (top - depth_of(model_name, name))} for name, p in trained],
        lr=0.0)
    step = optimizer.step

    def scaled_step():
        for group in optimizer.param_groups:
            group["lr"] *= group["scale"]
        step()

    optimizer.step = scaled_step
    # What is frozen has no part in the norm, though delta comes from the embeddings' gradient all the same.
    nn.utils.clip_grad_norm_ = lambda _parameters, limit: clip([p for _, p in trained], limit)
    events = []
    try:
        for texts, labels in batches(False):
            model.zero_grad()
            event = parity.train_step(model, optimizer, NUMBERS, regularizer, texts, labels, False, parity.LEARNING_RATE)
            events.append({**event, "learningRate": parity.LEARNING_RATE})
    finally:
        nn.utils.clip_grad_norm_ = clip
    return {"events": events, "weights": checksums(model)}


def cases(wanted=lambda name: True):
    found = []
    for model in MODELS:
        for method, regularizer in REGULARIZERS.items():
            for title, feature in FEATURES.items():
                name = f"{model}, {method}, {title}"
                if wanted(name):
                    found.append({"model": model, "kind": "classification", "name": name,
                                  "regularizer": {"klReduction": "batch-mean", **regularizer}, "feature": feature,
                                  "optimizer": {"type": "adamw", **NUMBERS}, **run(model, regularizer, feature)})
    return found


if __name__ == "__main__":
    # With names as arguments: prints those cases, to be compared with the fixture. Without: writes the fixture.
    if len(sys.argv) > 1:
        print(json.dumps(rounded(cases(lambda name: name in sys.argv[1:]))))
    else:
        (FIXTURES / "features.json").write_text(json.dumps({"torch": torch.__version__, "cases": rounded(cases())}))
