"""Fine-tunes a pretrained BERT on a GLUE task with PyTorch and transformers, by the recipe of `r-at train`: what the library's
scores, times and memory are compared with.

    python finetune.py MODEL DATA TASK none|r-at SEED [EPOCHS]     prints one line of JSON

AdamW 5e-5 with decay 0.01, linear with 6 % warm-up, batches of 32 padded to the longest, 128 tokens, gradients clipped to 1,
the model's own dropout; R-AT with epsilon 0.1 and weight 0.5 in the tuned style of steps.py. Best on dev by the first metric.
"""

import csv
import json
import math
import resource
import sys
import time

import torch
import torch.nn.functional as F
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import f1_score, matthews_corrcoef
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

# Columns of text, pair and label; labels in their official order (none: a regression).
TASKS = {
    "cola": (None, None, None, ["0", "1"]),
    "mrpc": ("#1 String", "#2 String", "Quality", ["0", "1"]),
    "rte": ("sentence1", "sentence2", "label", ["entailment", "not_entailment"]),
    "stsb": ("sentence1", "sentence2", "score", None),
}


def read(task, path):
    text, pair, label, labels = TASKS[task]
    with open(path, encoding="utf-8-sig", newline="\n") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    if text is None:  # CoLA has no header
        return [(row[3], None, labels.index(row[1])) for row in rows]
    header = rows[0]
    at = [header.index(name) for name in (text, pair, label)]
    value = (lambda raw: float(raw)) if labels is None else labels.index
    return [(row[at[0]], row[at[1]], value(row[at[2]])) for row in rows[1:]]


def batch_of(tokenizer, rows, regression):
    pairs = [pair for _, pair, _ in rows]
    inputs = tokenizer([text for text, _, _ in rows], None if pairs[0] is None else pairs, padding=True, truncation=True,
                       max_length=128, return_tensors="pt")
    return inputs, torch.tensor([label for _, _, label in rows], dtype=torch.float if regression else torch.long)


def loss_of(logits, labels, regression):
    return F.mse_loss(logits[:, 0], labels) if regression else F.cross_entropy(logits, labels)


def consistency(a, b, regression):
    if regression:
        return F.mse_loss(a, b)
    p, q = F.log_softmax(a, -1), F.log_softmax(b, -1)
    return 0.5 * (F.kl_div(p, q, reduction="batchmean", log_target=True) + F.kl_div(q, p, reduction="batchmean", log_target=True))


def step(model, inputs, labels, regularizer, regression):
    weight = model.get_input_embeddings().weight
    if regularizer == "none":
        loss_of(model(**inputs).logits, labels, regression).backward()
        return
    ids = inputs["input_ids"]
    rest = {name: value for name, value in inputs.items() if name != "input_ids"}
    distinct, slots = torch.unique(ids, return_inverse=True)
    is_token = (distinct != 0)[:, None]
    rows = F.embedding(ids, weight.detach())
    gradient = torch.zeros(len(distinct), weight.shape[1])

    def backward(x, copies):
        x = x.detach().requires_grad_()
        logits = model(inputs_embeds=x, **{name: value.repeat(copies, 1) for name, value in rest.items()}).logits
        loss = loss_of(logits, labels.repeat(copies), regression)
        if copies == 2:
            loss = loss + 0.5 * consistency(*logits.split(len(labels)), regression)
        loss.backward()
        gradient.index_add_(0, slots.repeat(copies, 1).flatten(), x.grad.flatten(0, 1))

    backward(rows, 1)
    gradient.mul_(is_token)
    delta = 0.1 * gradient / gradient.norm()
    backward((F.embedding(slots, delta) + rows).repeat(2, 1, 1), 2)
    weight.grad = torch.zeros_like(weight).index_copy_(0, distinct, gradient * is_token)


@torch.no_grad()
def evaluate(model, tokenizer, rows, task, regression):
    model.eval()
    outputs = torch.cat([model(**batch_of(tokenizer, rows[i : i + 64], regression)[0]).logits for i in range(0, len(rows), 64)])
    model.train()
    labels = [label for _, _, label in rows]
    if regression:
        scores = outputs[:, 0].tolist()
        return {"pearson": float(pearsonr(scores, labels)[0]), "spearman": float(spearmanr(scores, labels)[0])}
    predicted = outputs.argmax(-1).tolist()
    accuracy = sum(a == b for a, b in zip(predicted, labels)) / len(labels)
    if task == "cola":
        return {"matthews": float(matthews_corrcoef(labels, predicted)), "accuracy": accuracy}
    return {"accuracy": accuracy, **({"f1": float(f1_score(labels, predicted))} if task == "mrpc" else {})}


def main():
    folder, data, task, regularizer, seed = sys.argv[1:6]
    epochs = int(sys.argv[6]) if len(sys.argv) > 6 else 3
    torch.manual_seed(int(seed))
    regression = TASKS[task][3] is None
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=1 if regression else 2, problem_type="regression" if regression else None
    ).train()
    train, dev = (read(task, f"{data}/{name}.tsv") for name in ("train", "dev"))
    decays = lambda name: "bias" not in name.rsplit(".", 1)[-1] and "LayerNorm" not in name
    named = list(model.named_parameters())
    optimizer = torch.optim.AdamW([
        {"params": [p for n, p in named if decays(n)], "weight_decay": 0.01},
        {"params": [p for n, p in named if not decays(n)], "weight_decay": 0.0},
    ], lr=5e-5)
    steps = epochs * math.ceil(len(train) / 32)
    schedule = get_linear_schedule_with_warmup(optimizer, math.ceil(0.06 * steps), steps)
    started, best = time.perf_counter(), None
    for _ in range(epochs):
        order = torch.randperm(len(train)).tolist()
        for start in range(0, len(train), 32):
            inputs, labels = batch_of(tokenizer, [train[row] for row in order[start : start + 32]], regression)
            step(model, inputs, labels, regularizer, regression)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        metrics = evaluate(model, tokenizer, dev, task, regression)
        if best is None or list(metrics.values())[0] > list(best.values())[0]:
            best = metrics
    print(json.dumps({"task": task, "regularizer": regularizer, "seed": int(seed), "dev": best, "steps": steps,
                      "seconds": time.perf_counter() - started,
                      "peakMemoryBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


main()
