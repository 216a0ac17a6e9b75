"""Makes fixtures/diagnostics.json of test/native/diagnostics.test.ts: what section 6 of the paper speaks of, of a TextCNN in plain
PyTorch, whose one dropout is before the classifier, with the masks that Philox gives.

    venv/bin/python test/reference/diagnostics.py
"""

import itertools
import json

import torch
import torch.nn.functional as F

import philox
from parity import FIXTURES, batches, initial_model, rounded

RATE, SUBMODELS, SEED, SENTENCE = 0.4, 4, 1, 2


def mask(example, which, width):
    """Of the example before the classifier, in sub-model `which`: passes count from 1."""
    words = [word for block in range((width + 3) // 4)
             for word in philox.philox((0, example, SENTENCE << 16 | (which + 1), block), philox.key(SEED, "dropout"))]
    return torch.tensor([0.0 if word < round(RATE * 2**32) else 1 / (1 - RATE) for word in words[:width]], dtype=torch.float64)


def measure(regression):
    model = initial_model("textcnn", regression)
    texts, labels = next(iter(batches(regression)))
    sums = {"inputGradientNorm": 0.0, "submodelDivergence": 0.0, "averagingGap": 0.0}
    for example, (text, label) in enumerate(zip(texts, labels)):
        embedded = []
        handle = model.embedding.register_forward_hook(lambda _module, _input, x: embedded.append(x))
        logits = model(text)
        handle.remove()
        loss = (logits[0] - label) ** 2 if regression else F.cross_entropy(logits[None], label[None])
        sums["inputGradientNorm"] += torch.autograd.grad(loss, embedded[0])[0].norm().item()
        samples = []
        for m in range(SUBMODELS):
            handle = model.classifier.register_forward_pre_hook(lambda _module, x, m=m: (x[0] * mask(example, m, len(x[0])),))
            samples.append(model(text).detach())
            handle.remove()
        pairs = list(itertools.combinations(samples, 2))
        if regression:
            sums["submodelDivergence"] += sum((a - b).square().item() for a, b in pairs) / len(pairs)
            sums["averagingGap"] += (torch.stack(samples).mean(0) - logits).abs().item()
        else:
            p = [sample.softmax(-1) for sample in samples]
            kl = [((a - b) * (a.log() - b.log())).sum().item() / 2 for a, b in itertools.combinations(p, 2)]
            sums["submodelDivergence"] += sum(kl) / len(kl)
            sums["averagingGap"] += (torch.stack(p).mean(0) - logits.softmax(-1)).abs().sum().item() / 2
    return sums


if __name__ == "__main__":
    found = {kind: measure(kind == "regression") for kind in ("classification", "regression")}
    whole = {"torch": torch.__version__, "rate": RATE, "submodels": SUBMODELS, "sums": rounded(found)}
    (FIXTURES / "diagnostics.json").write_text(json.dumps(whole))
