"""Makes fixtures/methods.json of test/native/methods.test.ts: ten steps with every consistency loss, of label sets and with a
temperature, for the regularizers that have a consistency, in plain PyTorch.

Losses are written straight from their definitions (the paper's appendix C) on softmax or sigmoid, and autograd does the rest.
Models, batches and steps are those of parity.py.

    venv/bin/python test/reference/methods.py
"""

import json
import sys

import torch
import torch.nn.functional as F

import parity
from parity import CLASSES, FIXTURES, MODELS, batches, checksums, initial_model, make_optimizer, rounded

KL = {"klWeight": 0.7, "klReduction": "batch-mean"}
R_AT = {"type": "r-at", "forwards": 2, "epsilon": [1.0], **KL}
R_DROP = {"type": "r-drop", "forwards": 2, "epsilon": [0.0], **KL}
LOSSES = ["kl", "ce", "js", "mae", "mse"]
CASES = {
    **{f"r-at, {name}": {**R_AT, "consistency": name} for name in LOSSES},
    "r-at, released code's two clean backwards": {**R_AT, "epsilon": [0.8]},
    "r-at, js summed": {**R_AT, "consistency": "js", "klReduction": "sum"},
    "r-at, mae by element": {**R_AT, "consistency": "mae", "klReduction": "element-mean"},
    "r-at, ce of four forwards": {**R_AT, "forwards": 4, "epsilon": [1.0, 0.5, 2.0, 1.5], "consistency": "ce"},
    "r-at, temperature": {**R_AT, "temperature": 2.0},
    "r-at, temperature and kl": {**R_AT, "temperature": 0.5, "consistency": "kl"},
    "none, temperature": {"type": "none", "forwards": 1, "epsilon": [0.0], "temperature": 3.0, "klWeight": 0.0},
}
OF_SETS = {
    "none": {"type": "none", "forwards": 1, "epsilon": [0.0], "klWeight": 0.0},
    "fgm": {"type": "fgm", "forwards": 1, "epsilon": [0.5], "klWeight": 0.0},
    "r-drop": R_DROP,
    "r-at": R_AT,
    "r-at, by element": {**R_AT, "klReduction": "element-mean"},
    "r-at, js": {**R_AT, "consistency": "js"},
    "r-at, mse, temperature": {**R_AT, "consistency": "mse", "temperature": 2.0},
}
OPTIONS = {"type": "adamw", "weightDecay": 0.01, "clipNorm": 0.7}


def between(name, p, q):
    """Over the last dimension of two distributions."""
    def kl(a, b):
        return (a * (a.log() - b.log())).sum(-1)

    m = (p + q) / 2
    return {
        "bi-kl": lambda: (kl(p, q) + kl(q, p)) / 2,
        "kl": lambda: kl(p, q),
        "ce": lambda: -(p * q.log()).sum(-1),
        "js": lambda: (kl(p, m) + kl(q, m)) / 2,
        "mae": lambda: (p - q).abs().mean(-1),
        "mse": lambda: ((p - q) ** 2).mean(-1),
    }[name]()


def set_losses(regularizer, of_sets):
    temperature = regularizer.get("temperature", 1.0)
    name = regularizer.get("consistency", "bi-kl")

    def supervised(outputs, labels, _regression):
        if of_sets:
            return F.binary_cross_entropy_with_logits(outputs / temperature, labels)
        return F.cross_entropy(outputs / temperature, labels)

    def distribution(outputs):
        if not of_sets:
            return torch.softmax(outputs / temperature, -1)
        yes = torch.sigmoid(outputs / temperature)
        return torch.stack([1 - yes, yes], -1)

    def consistency(outputs, _regression, reduction):
        values = []
        for i in range(len(outputs)):
            for j in range(i + 1, len(outputs)):
                by_example = between(name, distribution(outputs[i]), distribution(outputs[j]))
                values.append(by_example.mean(-1) if of_sets else by_example)
        if not values:
            return outputs[0].new_zeros(())
        by_example = torch.stack(values).mean(0)
        if reduction == "sum":
            return by_example.sum()
        return by_example.mean() / (CLASSES if reduction == "element-mean" and not of_sets else 1)

    parity.supervised, parity.consistency = supervised, consistency


def released_step(model, optimizer, regularizer, texts, labels):
    """R-AT as its released code makes the step: one clean backward for delta alone, a second one with all the rest."""
    matrix = model.embedding.weight
    outputs = parity.one_by_one(parity.call)
    optimizer.zero_grad()
    parity.supervised(outputs(model, texts, {}), labels, False).backward()
    gradient = matrix.grad.clone()
    optimizer.zero_grad()
    clean = parity.supervised(outputs(model, texts, {}), labels, False)
    deltas = [radius * gradient / gradient.norm() for radius in regularizer["epsilon"] * regularizer["forwards"]]
    perturbed = [outputs(model, texts, {"embedding.weight": matrix + delta}) for delta in deltas]
    adversarial = torch.stack([parity.supervised(o, labels, False) for o in perturbed]).mean()
    kl = parity.consistency(perturbed, False, "batch-mean")
    total = clean + adversarial + regularizer["klWeight"] * kl
    total.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), OPTIONS["clipNorm"])
    for group in optimizer.param_groups:
        group["lr"] = parity.LEARNING_RATE
    optimizer.step()
    return {"loss": total.item(), "cleanLoss": clean.item(), "adversarialLoss": adversarial.item(), "klLoss": kl.item(),
            "deltaNorm": sum(delta.norm().item() for delta in deltas) / len(deltas), "gradNorm": norm.item()}


def sets_of(labels):
    """Label sets out of class indices: from none of the labels to all of them."""
    generator = torch.Generator().manual_seed(int(labels.sum()) + 31)
    return torch.randint(0, 2, (len(labels), CLASSES), generator=generator).double()


def run(model_name, regularizer, of_sets, title):
    set_losses(regularizer, of_sets)
    model = initial_model(model_name, False)
    optimizer = make_optimizer(model, OPTIONS)
    events, all_labels = [], []
    for texts, labels in batches(False):
        labels = sets_of(labels) if of_sets else labels
        all_labels.append(labels.flatten().tolist())
        if title.startswith("r-at, released"):
            event = released_step(model, optimizer, regularizer, texts, labels)
        else:
            event = parity.train_step(model, optimizer, OPTIONS, regularizer, texts, labels, False, parity.LEARNING_RATE)
        events.append({**event, "learningRate": parity.LEARNING_RATE})
    return {"events": events, "weights": checksums(model), **({"labels": all_labels} if of_sets else {})}


def cases(wanted=lambda name: True):
    found = []
    for model in MODELS:
        for kind, chosen in (("classification", CASES), ("multilabel", OF_SETS)):
            for title, regularizer in chosen.items():
                name = f"{model}, {kind}, {title}"
                if wanted(name):
                    found.append({"model": model, "kind": kind, "name": name,
                                  "regularizer": {"klReduction": "batch-mean", **regularizer}, "optimizer": OPTIONS,
                                  **run(model, regularizer, kind == "multilabel", title)})
    return found


if __name__ == "__main__":
    # With names as arguments: prints those cases, to be compared with the fixture. Without: writes the fixture.
    if len(sys.argv) > 1:
        print(json.dumps(rounded(cases(lambda name: name in sys.argv[1:]))))
    else:
        (FIXTURES / "methods.json").write_text(json.dumps({"torch": torch.__version__, "cases": rounded(cases())}))
