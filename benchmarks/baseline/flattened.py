"""The strongest opponent: BERT without padding, FlashAttention 2 on the sequences laid end to end, the class from the rows of
the first tokens. `transformers` cannot flatten for classification, so this is written out; weights and names are its own.

On a GPU attention is `aten::_flash_attention_forward` (bf16) or `_efficient_attention_forward` (fp32), both with dropout. On a
CPU, where this is only tested, it is one call of PyTorch's attention a sequence.
"""

import torch
import torch.nn.functional as F

from steps import Step, bidirectional_kl, cross_entropy


def attention(q, k, v, starts, longest, lengths, dropout):
    """q, k, v [T, H, width] -> [T, H, width]."""
    if q.device.type == "cpu":
        parts = []
        for a, b, c in zip(q.split(lengths), k.split(lengths), v.split(lengths)):
            a, b, c = (x.transpose(0, 1)[None] for x in (a, b, c))
            parts.append(F.scaled_dot_product_attention(a, b, c, dropout_p=dropout)[0].transpose(0, 1))
        return torch.cat(parts)
    if q.dtype == torch.float32:
        return torch.ops.aten._efficient_attention_forward(
            q[None], k[None], v[None], None, starts, starts, longest, longest, dropout, 0, True
        )[0][0]
    return torch.ops.aten._flash_attention_forward(
        q, k, v, starts, starts, longest, longest, dropout, False, False
    )[0]


class FlattenedBert(torch.nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder  # models.Encoder

    def forward(self, rows, positions, starts, longest, lengths):
        """rows [T, D]: the word embeddings of all tokens."""
        model = self.encoder.model
        bert, embeddings = model.bert, model.bert.embeddings
        h = rows + embeddings.position_embeddings(positions) + embeddings.token_type_embeddings.weight[0]
        h = embeddings.dropout(embeddings.LayerNorm(h))
        for layer in bert.encoder.layer:
            this, heads = layer.attention.self, layer.attention.self.num_attention_heads
            q, k, v = (f(h).unflatten(-1, (heads, -1)) for f in (this.query, this.key, this.value))
            dropout = this.dropout.p if self.training else 0.0
            context = attention(q, k, v, starts, longest, lengths, dropout).flatten(1).to(h.dtype)
            attended = layer.attention.output(context, h)
            h = layer.output(layer.intermediate(attended), attended)
        first = h[starts[:-1].long()]
        pooled = torch.tanh(bert.pooler.dense(first))
        return model.classifier(model.dropout(pooled))


class Flattened(Step):
    """As `Tuned`, on flattened rows."""

    def __init__(self, model, case, fused, compiled):
        super().__init__(model, case, fused, False)
        self.forward = FlattenedBert(model)
        self.forward.train()
        if compiled:
            self.forward = torch.compile(self.forward, dynamic=True)

    def step(self, ids, lengths, labels):
        method, weight = self.method, self.model.word_embedding
        batch, host = len(labels), lengths.tolist()
        positions = torch.cat([torch.arange(n) for n in host]).to(ids.device)
        tokens = torch.cat([ids[b, :n] for b, n in enumerate(host)])
        distinct, slots = torch.unique(tokens, return_inverse=True)
        rows = F.embedding(tokens, weight.detach())
        gradient = torch.zeros(len(distinct), weight.shape[1], device=weight.device)

        def forward_backward(x, copies):
            x = x.requires_grad_()
            starts = torch.tensor([0] + host * copies, dtype=torch.int32).cumsum(0, dtype=torch.int32).to(ids.device)
            with self.autocast():
                logits = self.forward(x, positions.repeat(copies), starts, max(host), host * copies)
            loss, kl = cross_entropy(logits, labels.repeat(copies)), bidirectional_kl(list(logits.split(batch)))
            (loss + method["klWeight"] * kl).backward()
            gradient.index_add_(0, slots.repeat(copies), x.grad)
            return loss, kl

        copies = method["forwards"] if method["type"] == "r-drop" else 1
        clean, kl = forward_backward(rows.repeat(copies, 1), copies)
        adversarial = torch.zeros((), device=clean.device)
        if method["type"] in ("fgm", "r-at"):
            delta = method["epsilon"] * gradient / gradient.norm()
            perturbed = F.embedding(slots, delta).add_(rows)
            adversarial, kl = forward_backward(perturbed.repeat(method["forwards"], 1), method["forwards"])
        weight.grad = torch.zeros_like(weight).index_copy_(0, distinct, gradient)
        return clean, adversarial, kl, self.update()
