"""One optimizer step, as R-AT's authors released it and as somebody who tunes PyTorch would write it.

Losses are those of the paper, in both: clean + mean of the adversarial ones + alpha * 1/2 [KL(P || Q) + KL(Q || P)], mean over
the batch. Neither reads anything back to the host but where the gate asks for it.
"""

import contextlib

import torch
import torch.nn.functional as F


def bidirectional_kl(logits):
    """Mean over the pairs of forwards and over the batch; `logits` is a list of [B, C]."""
    if len(logits) < 2:
        return torch.zeros((), device=logits[0].device)
    logs = [F.log_softmax(z.float(), -1) for z in logits]
    pairs = [(i, j) for i in range(len(logs)) for j in range(i + 1, len(logs))]
    total = 0
    for i, j in pairs:
        total = total + 0.5 * (
            F.kl_div(logs[i], logs[j], reduction="batchmean", log_target=True)
            + F.kl_div(logs[j], logs[i], reduction="batchmean", log_target=True)
        )
    return total / len(pairs)


def cross_entropy(logits, labels):
    return F.cross_entropy(logits.float(), labels)


class Step:
    """What all have in common. `fused`: PyTorch's fused AdamW."""

    def __init__(self, model, case, fused, compiled):
        self.model, self.method = model, case["method"]
        self.clip_norm = case["clipNorm"]
        self.device = torch.device(case["device"])
        self.bf16 = case["precision"] == "bf16"
        self.exact = False  # the gate's: norms in double
        decays = lambda name: "bias" not in name.rsplit(".", 1)[-1] and "LayerNorm" not in name
        named = list(model.named_parameters())
        groups = [
            {"params": [p for n, p in named if decays(n)], "weight_decay": case["weightDecay"]},
            {"params": [p for n, p in named if not decays(n)], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=case["learningRate"], fused=fused or None)
        self.forward = model
        if compiled:
            # The released style walks one graph twice; a compiled one would have given its buffers away.
            from torch._functorch import config

            config.donated_buffer = False
            self.forward = torch.compile(model, dynamic=True)

    def autocast(self):
        if not self.bf16:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def norm(self, gradient):
        # PyTorch's sum of many squares in fp32 is off by more than the gate allows.
        return gradient.norm(dtype=torch.float64).float() if self.exact else gradient.norm()

    def update(self):
        exact = torch.stack([p.grad.norm(dtype=torch.float64) for p in self.model.parameters()]).norm() if self.exact else None
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm or float("inf"))
        self.optimizer.step()
        self.optimizer.zero_grad()
        return norm if exact is None else exact


class Released(Step):
    """The matrix is perturbed in place, each forward is made alone, and the clean backward is made twice."""

    def step(self, ids, lengths, labels):
        method, weight = self.method, self.model.word_embedding
        with self.autocast():
            if method["type"] == "r-drop":
                logits = [self.forward(ids, lengths) for _ in range(method["forwards"])]
                clean = sum(cross_entropy(z, labels) for z in logits) / len(logits)
                adversarial, kl = torch.zeros((), device=clean.device), bidirectional_kl(logits)
            else:
                clean = cross_entropy(self.forward(ids, lengths), labels)
                adversarial = kl = torch.zeros((), device=clean.device)
        if method["type"] in ("fgm", "r-at"):
            clean.backward(retain_graph=True)
            gradient = weight.grad
            norm = self.norm(gradient)
            delta = method["epsilon"] * gradient / norm
            self.optimizer.zero_grad()
            weight.data.add_(delta)
            with self.autocast():
                logits = [self.forward(ids, lengths) for _ in range(method["forwards"])]
                adversarial = sum(cross_entropy(z, labels) for z in logits) / len(logits)
                kl = bidirectional_kl(logits)
            weight.data.sub_(delta)
        (clean + adversarial + method["klWeight"] * kl).backward()
        return clean, adversarial, kl, self.update()


class Tuned(Step):
    """Clean gradients are kept, the adversarial forwards are one batch, delta lives on the rows of the batch's tokens."""

    def step(self, ids, lengths, labels):
        method, weight = self.method, self.model.word_embedding
        batch = len(labels)
        distinct, slots = torch.unique(ids, return_inverse=True)
        is_token = (distinct != 0)[:, None]
        rows = F.embedding(ids, weight.detach())
        copies = method["forwards"] if method["type"] == "r-drop" else 1
        gradient = torch.zeros(len(distinct), weight.shape[1], device=weight.device)

        def forward_backward(x, copies):
            x = x.requires_grad_()
            with self.autocast():
                logits = self.forward(ids.repeat(copies, 1), lengths.repeat(copies), x)
            parts = list(logits.split(batch))
            loss, kl = cross_entropy(logits, labels.repeat(copies)), bidirectional_kl(parts)
            (loss + method["klWeight"] * kl).backward()
            gradient.index_add_(0, slots.repeat(copies, 1).flatten(), x.grad.flatten(0, 1))
            return loss, kl

        clean, kl = forward_backward(rows.repeat(copies, 1, 1), copies)
        adversarial = torch.zeros((), device=clean.device)
        if method["type"] in ("fgm", "r-at"):
            gradient.mul_(is_token)
            delta = method["epsilon"] * gradient / self.norm(gradient)
            perturbed = F.embedding(slots, delta).add_(rows)
            adversarial, kl = forward_backward(
                perturbed.repeat(method["forwards"], 1, 1), method["forwards"]
            )
        weight.grad = torch.zeros_like(weight).index_copy_(0, distinct, gradient * is_token)
        return clean, adversarial, kl, self.update()
