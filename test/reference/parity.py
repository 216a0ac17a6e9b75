"""Makes the fixtures of test/native/parity.test.ts: ten steps of every from-scratch model and method in plain PyTorch.

Written straight from the paper, as naively as possible: delta is added to the whole embedding matrix in place and taken off
again before the update, the forwards are loops, padding is a mask. Dropout is 0 (masks are ours and differ by design).

    python -m venv venv && venv/bin/pip install torch==2.13.0 transformers==5.18.0 safetensors numpy && venv/bin/python test/reference/parity.py
"""

import itertools
import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from transformers import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
VOCABULARY, WIDTH, HIDDEN, CLASSES, STEPS, BATCH = 23, 12, 6, 3, 10, 5


class TextCNN(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH, padding_idx=0)
        self.convs = nn.ModuleList(nn.Conv1d(WIDTH, HIDDEN, w) for w in (2, 3, 4))
        self.classifier = nn.Linear(3 * HIDDEN, outputs)

    def forward(self, text):
        x = self.embedding(text).t()  # [D, L]
        pooled = []
        for conv in self.convs:
            padded = F.pad(x, (0, max(0, conv.kernel_size[0] - x.shape[1])))
            pooled.append(F.relu(conv(padded[None])).amax(-1)[0])
        return self.classifier(torch.cat(pooled))


class BiLSTM(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH, padding_idx=0)
        self.lstm = nn.LSTM(WIDTH, HIDDEN, num_layers=2, bidirectional=True, batch_first=True)
        self.classifier = nn.Linear(2 * HIDDEN, outputs)

    def forward(self, text):
        states = self.lstm(self.embedding(text)[None])[0][0]
        return self.classifier(torch.cat([states[-1, :HIDDEN], states[0, HIDDEN:]]))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2 * HIDDEN, 2 * HIDDEN).uniform_(-0.5, 0.5))
        self.bias = nn.Parameter(torch.empty(2 * HIDDEN).uniform_(-0.5, 0.5))
        self.context = nn.Parameter(torch.empty(2 * HIDDEN).uniform_(-0.5, 0.5))


class TextHAN(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH, padding_idx=0)
        self.gru = nn.GRU(WIDTH, HIDDEN, bidirectional=True, batch_first=True)
        self.attention = Attention()
        self.classifier = nn.Linear(2 * HIDDEN, outputs)

    def forward(self, text):
        h = self.gru(self.embedding(text)[None])[0][0]
        u = torch.tanh(h @ self.attention.weight.t() + self.attention.bias)
        return self.classifier(torch.softmax(u @ self.attention.context, 0) @ h)


MODELS = {"textcnn": TextCNN, "bilstm": BiLSTM, "texthan": TextHAN}

R_AT = {"type": "r-at", "forwards": 2, "epsilon": [0.5, 1.0], "klWeight": 0.5}
REGULARIZERS = {
    "none": {"type": "none", "forwards": 1, "epsilon": [0.0], "klWeight": 0.0},
    "fgm": {"type": "fgm", "forwards": 1, "epsilon": [0.5], "klWeight": 0.0},
    "r-drop": {"type": "r-drop", "forwards": 2, "epsilon": [0.0], "klWeight": 0.5},
    "r-at": R_AT,
    "r-at one epsilon": {**R_AT, "epsilon": [1.0]},
    "r-at K=1": {**R_AT, "forwards": 1, "epsilon": [1.0]},
    "r-at K=3": {**R_AT, "forwards": 3, "epsilon": [0.5, 1.0, 2.0]},
    "r-at without KL": {**R_AT, "klWeight": 0.0},
    "r-at KL summed": {**R_AT, "klReduction": "sum"},
    "r-at KL by element": {**R_AT, "klReduction": "element-mean"},
}
OPTIMIZERS = ("adamw", "bertadam", "sgd")
LEARNING_RATE = 0.01
# What goes with each optimizer in turn: schedule, warm-up ratio, weight decay, largest gradient norm (0 = any).
VARIANTS = list(itertools.product(
    ({"type": "linear", "warmupRatio": 0.0}, {"type": "cosine", "warmupRatio": 0.25}, {"type": "constant", "warmupRatio": 0.0},
     {"type": "linear", "warmupRatio": 0.25}, {"type": "cosine", "warmupRatio": 0.0}, {"type": "constant", "warmupRatio": 0.25}),
    (0.01, 0.0), (0.7, 0.0)))


def learning_rates(schedule):
    """The rates of STEPS steps by the schedules of transformers themselves."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=schedule["learningRate"])
    warmup = math.ceil(schedule["warmupRatio"] * STEPS)
    make = {"linear": lambda: get_linear_schedule_with_warmup(optimizer, warmup, STEPS),
            "cosine": lambda: get_cosine_schedule_with_warmup(optimizer, warmup, STEPS),
            "constant": lambda: get_constant_schedule_with_warmup(optimizer, warmup)}
    scheduler = make[schedule["type"]]()
    rates = []
    for _ in range(STEPS):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


def decays(name):
    return "bias" not in name.split(".")[-1] and "LayerNorm" not in name and "layer_norm" not in name


class BertAdam(torch.optim.Optimizer):
    """The released code's: eps outside the root, no bias correction, clip by parameter at 1.0."""

    def __init__(self, named, weight_decay):
        super().__init__([p for _, p in named], {"lr": 0.0})
        self.named, self.weight_decay = named, weight_decay

    @torch.no_grad()
    def step(self):
        for name, p in self.named:
            state = self.state[p]
            if not state:
                state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
            nn.utils.clip_grad_norm_(p, 1.0)
            state["m"].mul_(0.9).add_(p.grad, alpha=0.1)
            state["v"].mul_(0.999).addcmul_(p.grad, p.grad, value=0.001)
            update = state["m"] / (state["v"].sqrt() + 1e-6)
            if decays(name):
                update = update + self.weight_decay * p
            p.sub_(self.param_groups[0]["lr"] * update)


def make_optimizer(model, options):
    named = list(model.named_parameters())
    if options["type"] == "bertadam":
        return BertAdam(named, options["weightDecay"])
    groups = [
        {"params": [p for n, p in named if decays(n)], "weight_decay": options["weightDecay"]},
        {"params": [p for n, p in named if not decays(n)], "weight_decay": 0.0},
    ]
    if options["type"] == "sgd":
        return torch.optim.SGD(groups, lr=0.0)
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.999), eps=1e-8)


def kl(p_logits, q_logits):
    """KL(P || Q) by example."""
    log_p, log_q = F.log_softmax(p_logits, -1), F.log_softmax(q_logits, -1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def supervised(outputs, labels, regression):
    return F.mse_loss(outputs[:, 0], labels) if regression else F.cross_entropy(outputs, labels)


def consistency(outputs, regression, reduction):
    """Mean over pairs of equation 7, then the reduction over the batch."""
    pairs = [(i, j) for i in range(len(outputs)) for j in range(i + 1, len(outputs))]
    if not pairs:
        return outputs[0].new_zeros(())
    by_example = 0
    for i, j in pairs:
        if regression:
            by_example = by_example + (outputs[i][:, 0] - outputs[j][:, 0]) ** 2
        else:
            by_example = by_example + 0.5 * (kl(outputs[i], outputs[j]) + kl(outputs[j], outputs[i]))
    by_example = by_example / len(pairs)
    if reduction == "sum":
        return by_example.sum()
    return by_example.mean() / (outputs[0].shape[1] if reduction == "element-mean" else 1)


def call(model, text, replaced):
    """Outputs of one text, with some of the parameters replaced."""
    return torch.func.functional_call(model, replaced, (text,))


def one_by_one(call):
    """Outputs of several texts, without a padding anywhere."""
    return lambda model, texts, replaced: torch.stack([call(model, text, replaced) for text in texts])


def train_step(model, optimizer, options, regularizer, texts, labels, regression, learning_rate,
               matrix_name="embedding.weight", call_all=one_by_one(call)):
    def forward(replaced={}):
        return call_all(model, texts, replaced)

    matrix = model.get_parameter(matrix_name)
    forwards = regularizer["forwards"]
    reduction = regularizer.get("klReduction", "batch-mean")
    epsilon = regularizer["epsilon"] * (forwards if len(regularizer["epsilon"]) == 1 else 1)
    optimizer.zero_grad()
    event = {"adversarialLoss": 0.0, "klLoss": 0.0, "deltaNorm": 0.0}
    if regularizer["type"] == "r-drop":
        outputs = [forward() for _ in range(forwards)]
        clean = torch.stack([supervised(o, labels, regression) for o in outputs]).mean()
        divergence = consistency(outputs, regression, reduction)
        total = clean + regularizer["klWeight"] * divergence
        total.backward()
        event.update(klLoss=divergence.item())
    else:
        clean = supervised(forward(), labels, regression)
        clean.backward()
        total = clean
        if regularizer["type"] in ("fgm", "r-at"):
            gradient = matrix.grad.clone()
            norm = gradient.norm()
            outputs, norms = [], []
            for radius in epsilon:
                delta = radius * gradient / norm
                norms.append(delta.norm().item())
                # A fresh matrix for each forward, so that the one the optimizer updates is never touched.
                perturbed = (matrix + delta).detach().requires_grad_()
                outputs.append((perturbed, forward({matrix_name: perturbed})))
            logits = [o for _, o in outputs]
            adversarial = torch.stack([supervised(o, labels, regression) for o in logits]).mean()
            divergence = consistency(logits, regression, reduction)
            (adversarial + regularizer["klWeight"] * divergence).backward()
            for perturbed, _ in outputs:
                matrix.grad += perturbed.grad
            total = clean + adversarial + regularizer["klWeight"] * divergence
            event.update(adversarialLoss=adversarial.item(), klLoss=divergence.item(),
                         deltaNorm=sum(norms) / len(norms))
    limit = options["clipNorm"] or math.inf
    event.update(loss=total.item(), cleanLoss=clean.item(),
                 gradNorm=nn.utils.clip_grad_norm_(model.parameters(), limit).item())
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.step()
    return event


def batches(regression):
    generator = torch.Generator().manual_seed(7)
    result = []
    for _ in range(STEPS):
        # Lengths from a single token (shorter than every window) on; token 0 is the padding token standing in a text.
        texts = [torch.randint(0 if i == 0 else 1, VOCABULARY, (int(n),), generator=generator)
                 for i, n in enumerate(torch.randint(1, 9, (BATCH,), generator=generator))]
        labels = (torch.randn(BATCH, generator=generator) if regression
                  else torch.randint(0, CLASSES, (BATCH,), generator=generator))
        result.append((texts, labels))
    return result


def initial_model(name, regression):
    torch.manual_seed(11)
    return MODELS[name](1 if regression else CLASSES).double()


def checksums(model):
    """Two a tensor: every value counts, each with weights of its own."""
    sums = {}
    for name, parameter in model.named_parameters():
        flat = parameter.detach().flatten()
        index = torch.arange(len(flat), dtype=torch.float64)
        sums[name] = [(flat * torch.cos(index)).sum().item(), (flat * torch.sin(3 * index + 1)).sum().item()]
    return sums


def run(model_name, regression, regularizer, options, schedule):
    model = initial_model(model_name, regression)
    optimizer = make_optimizer(model, options)
    events = []
    for (texts, labels), learning_rate in zip(batches(regression), learning_rates(schedule)):
        labels = labels.double() if regression else labels
        event = train_step(model, optimizer, options, regularizer, texts, labels, regression, learning_rate)
        events.append({**event, "learningRate": learning_rate})
    return {"events": events, "weights": checksums(model)}


def cases(wanted=lambda name: True):
    """Every model, kind of task, method and optimizer; what else there is takes turns."""
    found = []
    for m, model_name in enumerate(MODELS):
        for regression in (False, True):
            kind = "regression" if regression else "classification"
            for k, regularizer in enumerate(REGULARIZERS):
                for o, optimizer in enumerate(OPTIMIZERS):
                    turn = 7 * ((2 * m + regression) * len(REGULARIZERS) + k) + 5 * o
                    schedule, decay, clip = VARIANTS[turn % len(VARIANTS)]
                    schedule = {**schedule, "learningRate": LEARNING_RATE}
                    options = {"type": optimizer, "weightDecay": decay, "clipNorm": clip}
                    name = f"{model_name}, {kind}, {regularizer}, {optimizer}"
                    if not wanted(name):
                        continue
                    found.append({"model": model_name, "kind": kind, "name": name,
                                  "regularizer": {"klReduction": "batch-mean", **REGULARIZERS[regularizer]},
                                  "optimizer": options, "schedule": schedule,
                                  **run(model_name, regression, REGULARIZERS[regularizer], options, schedule)})
    return found


def rounded(value):
    """Thirteen digits are enough, and keep the file small."""
    if isinstance(value, float):
        return float(f"{value:.13g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value


def main():
    # With names as arguments: prints those cases, to be compared with the fixture. Without: writes the fixture.
    if len(sys.argv) > 1:
        print(json.dumps(rounded(cases(lambda name: name in sys.argv[1:]))))
        return
    FIXTURES.mkdir(exist_ok=True)
    for model_name in MODELS:
        for regression in (False, True):
            kind = "regression" if regression else "classification"
            weights = {n: p.detach().clone() for n, p in initial_model(model_name, regression).named_parameters()}
            save_file(weights, FIXTURES / f"parity-{model_name}-{kind}.safetensors")
    data = {kind: [{"texts": [t.tolist() for t in texts], "labels": labels.tolist()}
                   for texts, labels in batches(kind == "regression")] for kind in ("classification", "regression")}
    sizes = {"vocabularySize": VOCABULARY, "embeddingSize": WIDTH, "hiddenSize": HIDDEN, "classes": CLASSES}
    found = cases()
    text = json.dumps({"torch": torch.__version__, "sizes": sizes, "batches": data, "cases": rounded(found)})
    (FIXTURES / "parity.json").write_text(text + "\n")
    print(f"{len(found)} cases, {len(text) // 1024} KiB")


if __name__ == "__main__":
    main()
