"""Makes fixtures/ascent.json of test/native/ascent.test.ts: ten steps of PGD, FreeLB, R3F and SMART in plain PyTorch, by example
and by matrix, from a start at zero and from noise, with special tokens and without.

Written straight from the papers, text by text: a hook adds delta to what the embedding gives, and the gradient in delta is
autograd's. Models, batches and optimizers are those of parity.py.

    venv/bin/python test/reference/ascent.py
"""

import copy
import json
import sys

import torch
import torch.nn.functional as F

import methods
import parity
import philox
from parity import FIXTURES, MODELS, batches, checksums, initial_model, make_optimizer, rounded, supervised

SEED = 1  # of test/support/parity.ts
SPARED = [2, 3, 5]
CASES = [
    {"type": kind, "scope": scope, "ascentSteps": steps, "stepSize": size, "epsilon": epsilon}
    for kind in ("pgd", "freelb")
    for scope in ("example", "matrix")
    for steps, size, epsilon in ((1, 0.3, 1.0), (3, 0.3, 1.0), (4, 0.4, 0.6))
] + [
    {"type": kind, "scope": scope, "ascentSteps": 3, "stepSize": 0.3, "epsilon": 1.0, "ascentInit": "uniform"}
    for kind in ("pgd", "freelb")
    for scope in ("example", "matrix")
] + [
    {"type": "freelb", "scope": "example", "ascentSteps": 3, "stepSize": 0.3, "epsilon": 1.0, "ascentInit": "uniform",
     "sparedTokens": SPARED},
    {"type": "pgd", "scope": "matrix", "ascentSteps": 2, "stepSize": 0.3, "epsilon": 1.0, "sparedTokens": SPARED},
    {"type": "r3f", "epsilon": 0.3, "klWeight": 0.8},
    {"type": "r3f", "epsilon": 0.3, "klWeight": 0.8, "noise": "normal", "consistency": "kl"},
    {"type": "r3f", "epsilon": 0.3, "klWeight": 2.0, "klReduction": "sum", "sparedTokens": SPARED},
    {"type": "smart", "scope": "example", "ascentSteps": 1, "stepSize": 0.4, "epsilon": 0.5, "klWeight": 0.8},
    {"type": "smart", "scope": "example", "ascentSteps": 3, "stepSize": 0.2, "epsilon": 0.7, "klWeight": 1.5, "consistency": "js"},
    {"type": "smart", "scope": "matrix", "ascentSteps": 2, "stepSize": 0.4, "epsilon": 0.5, "klWeight": 0.8},
    {"type": "smart", "scope": "example", "ascentSteps": 1, "stepSize": 0.4, "epsilon": 0.5, "klWeight": 0.8,
     "bregmanWeight": 1.0, "bregmanDecay": 0.9},
    {"type": "smart", "scope": "example", "ascentSteps": 1, "stepSize": 0.4, "epsilon": 0.5, "klWeight": 0.5, "consistency": "kl",
     "klReduction": "sum", "bregmanWeight": 2.0, "bregmanDecay": 0.5},
]
OPTIONS = {"type": "adamw", "weightDecay": 0.01, "clipNorm": 0.7}


def pooled_by_first(self, text):
    """TextCNN whose maximum takes the first of equal windows, as its gradient by position shows; `amax` shares it out."""
    x = self.embedding(text).t()
    features = []
    for conv in self.convs:
        padded = F.pad(x, (0, max(0, conv.kernel_size[0] - x.shape[1])))
        features.append(F.relu(conv(padded[None])).max(-1).values[0])
    return self.classifier(torch.cat(features))


MODELS["textcnn"].forward = pooled_by_first
REGRESSION = parity.consistency  # before methods.py puts another in its place


def outputs(model, texts, deltas):
    """One row a text; deltas[i] is added to the embedded tokens of text i."""
    rows = []
    for text, delta in zip(texts, deltas):
        handle = model.embedding.register_forward_hook(lambda _module, _input, x, delta=delta: x + delta)
        rows.append(model(text))
        handle.remove()
    return torch.stack(rows)


def spread(delta, texts, scope):
    """By example: as it is. By matrix: a token's row wherever it stands; the padding token has none."""
    if scope == "example":
        return delta
    return [delta[0][text] * (text != 0)[:, None] for text in texts]


def spared(values, texts, c):
    """Without the rows of the tokens that are to be left alone."""
    tokens = torch.tensor(c.get("sparedTokens", []), dtype=torch.long)
    if c.get("scope", "example") == "matrix":
        keep = ~torch.isin(torch.arange(len(values[0])), tokens)
        return [values[0] * keep[:, None]]
    return [value * ~torch.isin(text, tokens)[:, None] for value, text in zip(values, texts)]


def draw(model, texts, step, c, kind):
    """Noise of every example by its number, or of the rows of the tokens that occur."""
    matrix = model.embedding.weight
    width = matrix.shape[1]
    if c.get("scope", "example") == "example":
        return [torch.tensor(philox.noise(SEED, step, i, len(text) * width, kind), dtype=torch.float64).view(len(text), width)
                for i, text in enumerate(texts)]
    rows = torch.zeros_like(matrix)
    for token in {int(token) for text in texts for token in text} - {0}:
        rows[token] = torch.tensor(philox.noise(SEED, step, token, width, kind), dtype=torch.float64)
    return [rows]


def sizes(model, texts, scope):
    """How many numbers each norm is over."""
    width = model.embedding.weight.shape[1]
    if scope == "example":
        return [len(text) * width for text in texts]
    return [len({int(token) for text in texts for token in text} - {0}) * width]


def start(model, texts, step, c):
    matrix = model.embedding.weight
    if c.get("ascentInit") == "uniform" or c["type"] == "smart":
        drawn = draw(model, texts, step, c, "normal" if c["type"] == "smart" else "uniform")
        return spared([c["epsilon"] / n**0.5 * d for d, n in zip(drawn, sizes(model, texts, c["scope"]))], texts, c)
    if c["scope"] == "example":
        return [torch.zeros(len(text), matrix.shape[1], dtype=matrix.dtype) for text in texts]
    return [torch.zeros_like(matrix)]


def climb(delta, slope, c, texts):
    """A text of nothing but spared tokens has no slope, and stays where it is."""
    slope = [g / g.norm() if g.norm() > 0 else g for g in spared(slope, texts, c)]
    moved = [d + c["stepSize"] * g for d, g in zip(delta, slope)]
    return [d * min(1.0, c["epsilon"] / max(d.norm().item(), 1e-300)) for d in moved]


def divergent_step(model, c, texts, labels, regression, step, average):
    """R3F and SMART: the clean loss, and the divergence from the outputs of the perturbed texts, and from those of the averaged
    weights (SMART, equations 6 and 7)."""
    reduction = c.get("klReduction", "batch-mean")
    kept = parity.supervised, parity.consistency
    methods.set_losses(c, False)
    consistency = REGRESSION if regression else parity.consistency
    parity.supervised, parity.consistency = kept

    def divergence(delta):
        both = [outputs(model, texts, spread(d, texts, c.get("scope", "example"))) for d in ([0 * d for d in delta], delta)]
        return both[0], consistency(both, regression, reduction)

    if c["type"] == "r3f":
        delta = spared([c["epsilon"] * d for d in draw(model, texts, step, c, c.get("noise", "uniform"))], texts, c)
    else:
        delta = start(model, texts, step, c)
        for _ in range(c["ascentSteps"]):
            leaves = [d.detach().requires_grad_() for d in delta]
            delta = climb(delta, torch.autograd.grad(divergence(leaves)[1], leaves), c, texts)
    clean_outputs, kl = divergence(delta)
    clean = supervised(clean_outputs, labels, regression)
    loss = clean + c["klWeight"] * kl
    bregman = {}
    if "bregmanWeight" in c:
        with torch.no_grad():
            anchor = outputs(average, texts, [0] * len(texts))
        distance = consistency([clean_outputs, anchor], regression, reduction)
        loss = loss + c["bregmanWeight"] * distance
        bregman = {"bregmanLoss": distance.item()}
    loss.backward()
    return {"loss": loss.item(), "cleanLoss": clean.item(), "adversarialLoss": 0.0, **bregman,
            "klLoss": kl.item(), "deltaNorm": sum(d.norm().item() for d in delta) / len(delta)}


def finish(model, optimizer, event):
    gradient_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), OPTIONS["clipNorm"]).item()
    optimizer.step()
    return {**event, "gradNorm": gradient_norm}


def train_step(model, optimizer, c, texts, labels, regression, step, average=None):
    """`average`: a copy of the initial model, which becomes the average of the weights; for SMART's Bregman step alone."""
    optimizer.zero_grad()
    if c["type"] in ("r3f", "smart"):
        event = finish(model, optimizer, divergent_step(model, c, texts, labels, regression, step, average))
        if "bregmanWeight" in c:
            with torch.no_grad():
                for mean, weight in zip(average.parameters(), model.parameters()):
                    mean.copy_(c["bregmanDecay"] * mean + (1 - c["bregmanDecay"]) * weight)
        return event
    delta = start(model, texts, step, c)

    def loss_at(delta, keep, weight=1.0):
        """The loss, and its gradient in delta; the parameters' are added to what they have, or not."""
        leaves = [d.detach().requires_grad_() for d in delta]
        loss = supervised(outputs(model, texts, spread(leaves, texts, c["scope"])), labels, regression)
        parameters = list(model.parameters()) if keep else []
        found = torch.autograd.grad(weight * loss, leaves + parameters)
        for parameter, gradient in zip(parameters, found[len(leaves):]):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return loss.item(), found[:len(leaves)]

    steps = c["ascentSteps"]
    if c["type"] == "freelb":
        losses = []
        for t in range(steps):
            loss, slope = loss_at(delta, True, 1 / steps)
            losses.append(loss)
            if t + 1 < steps:
                delta = climb(delta, slope, c, texts)
        clean, adversarial = 0.0, sum(losses) / steps
    else:
        clean, _ = loss_at([0 * d for d in delta], True)
        for t in range(steps):
            _, slope = loss_at(delta, False)
            delta = climb(delta, slope, c, texts)
        adversarial, _ = loss_at(delta, True)
    norm = sum(d.norm().item() for d in delta) / len(delta)
    return finish(model, optimizer, {"loss": clean + adversarial, "cleanLoss": clean, "adversarialLoss": adversarial,
                                     "klLoss": 0.0, "deltaNorm": norm})


def run(model_name, regression, c):
    model = initial_model(model_name, regression)
    average = copy.deepcopy(model)
    optimizer = make_optimizer(model, OPTIONS)
    for group in optimizer.param_groups:
        group["lr"] = parity.LEARNING_RATE
    events = [train_step(model, optimizer, c, texts, labels.double() if regression else labels, regression, i + 1, average)
              for i, (texts, labels) in enumerate(batches(regression))]
    return {"events": [{**event, "learningRate": parity.LEARNING_RATE} for event in events], "weights": checksums(model)}


def title(c):
    words = [f"{c['type']} of {c['ascentSteps']}" if "ascentSteps" in c else c["type"]]
    words += [f"by {c['scope']}"] if "scope" in c else []
    words += ["from noise"] if "ascentInit" in c else []
    words += [f"Bregman {c['bregmanWeight']}"] if "bregmanWeight" in c else []
    words += [c[name] for name in ("noise", "consistency", "klReduction") if name in c]
    return ", ".join([" ".join(words)] + (["special tokens spared"] if "sparedTokens" in c else []))


def cases(wanted=lambda name: True):
    found = []
    for model in MODELS:
        for kind in ("classification", "regression"):
            for c in CASES:
                name = f"{model}, {kind}, {title(c)}"
                if wanted(name):
                    found.append({"model": model, "kind": kind, "name": name, "regularizer": c, "optimizer": OPTIONS,
                                  **run(model, kind == "regression", c)})
    return found


if __name__ == "__main__":
    # With names as arguments: prints those cases, to be compared with the fixture. Without: writes the fixture.
    if len(sys.argv) > 1:
        print(json.dumps(rounded(cases(lambda name: name in sys.argv[1:]))))
    else:
        (FIXTURES / "ascent.json").write_text(json.dumps({"torch": torch.__version__, "cases": rounded(cases())}))
