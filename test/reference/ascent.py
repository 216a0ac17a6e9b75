"""Makes fixtures/ascent.json of test/native/ascent.test.ts: ten steps of PGD and FreeLB in plain PyTorch, by example and by matrix.

Written straight from the papers, text by text: a hook adds delta to what the embedding gives, and the gradient in delta is
autograd's. Models, batches and optimizers are those of parity.py.

    venv/bin/python test/reference/ascent.py
"""

import json
import sys

import torch
import torch.nn.functional as F

import parity
from parity import FIXTURES, MODELS, batches, checksums, initial_model, make_optimizer, rounded, supervised

CASES = [
    {"type": kind, "scope": scope, "ascentSteps": steps, "stepSize": size, "epsilon": epsilon}
    for kind in ("pgd", "freelb")
    for scope in ("example", "matrix")
    for steps, size, epsilon in ((1, 0.3, 1.0), (3, 0.3, 1.0), (4, 0.4, 0.6))
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


def start(model, texts, scope):
    matrix = model.embedding.weight
    if scope == "example":
        return [torch.zeros(len(text), matrix.shape[1], dtype=matrix.dtype) for text in texts]
    return [torch.zeros_like(matrix)]


def climb(delta, slope, size, radius):
    moved = [d + size * g / g.norm() for d, g in zip(delta, slope)]
    return [d * min(1.0, radius / d.norm().item()) for d in moved]


def train_step(model, optimizer, c, texts, labels, regression):
    optimizer.zero_grad()
    delta = start(model, texts, c["scope"])

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
                delta = climb(delta, slope, c["stepSize"], c["epsilon"])
        clean, adversarial = 0.0, sum(losses) / steps
    else:
        clean, slope = loss_at(delta, True)
        for t in range(steps):
            delta = climb(delta, slope, c["stepSize"], c["epsilon"])
            if t + 1 < steps:
                _, slope = loss_at(delta, False)
        adversarial, _ = loss_at(delta, True)
    norm = sum(d.norm().item() for d in delta) / len(delta)
    gradient_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), OPTIONS["clipNorm"]).item()
    optimizer.step()
    return {"loss": clean + adversarial, "cleanLoss": clean, "adversarialLoss": adversarial, "klLoss": 0.0,
            "deltaNorm": norm, "gradNorm": gradient_norm}


def run(model_name, regression, c):
    model = initial_model(model_name, regression)
    optimizer = make_optimizer(model, OPTIONS)
    for group in optimizer.param_groups:
        group["lr"] = parity.LEARNING_RATE
    events = [train_step(model, optimizer, c, texts, labels.double() if regression else labels, regression)
              for texts, labels in batches(regression)]
    return {"events": [{**event, "learningRate": parity.LEARNING_RATE} for event in events], "weights": checksums(model)}


def cases(wanted=lambda name: True):
    found = []
    for model in MODELS:
        for kind in ("classification", "regression"):
            for c in CASES:
                name = f"{model}, {kind}, {c['type']} of {c['ascentSteps']} by {c['scope']}"
                if wanted(name):
                    found.append({"model": model, "kind": kind, "name": name, "objective": c, "optimizer": OPTIONS,
                                  **run(model, kind == "regression", c)})
    return found


if __name__ == "__main__":
    # With names as arguments: prints those cases, to be compared with the fixture. Without: writes the fixture.
    if len(sys.argv) > 1:
        print(json.dumps(rounded(cases(lambda name: name in sys.argv[1:]))))
    else:
        (FIXTURES / "ascent.json").write_text(json.dumps({"torch": torch.__version__, "cases": rounded(cases())}))
