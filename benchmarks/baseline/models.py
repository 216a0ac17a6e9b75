"""The models that PyTorch's users would write: padded to the batch's longest text, with PyTorch's own layers.

Each has `embedding` (the word-embedding matrix) and maps padded ids, or rows of that matrix in their place, to logits.
Parameters have the names of the library's model.safetensors.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class WordModel(nn.Module):
    def __init__(self, sizes, dropout, features):
        super().__init__()
        self.embedding = nn.Embedding(sizes["vocabularySize"], sizes["embeddingSize"], padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(features, sizes["outputs"])

    @property
    def word_embedding(self):
        return self.embedding.weight

    def forward(self, ids, lengths, rows=None):
        x = self.embedding(ids) if rows is None else rows  # [B, L, D]
        return self.classifier(self.dropout(self.sentence(x, lengths)))


class TextCNN(WordModel):
    def __init__(self, sizes, dropout):
        windows, filters = sizes["windows"], sizes["hiddenSize"]
        super().__init__(sizes, dropout, filters * len(windows))
        self.convs = nn.ModuleList(nn.Conv1d(sizes["embeddingSize"], filters, width) for width in windows)

    def sentence(self, x, lengths):
        pooled = []
        for conv in self.convs:
            width = conv.kernel_size[0]
            padded = F.pad(x.transpose(1, 2), (0, max(0, width - x.shape[1])))
            windows = conv(padded)  # [B, N, L - width + 1]
            last = (lengths - width).clamp(min=0)
            inside = torch.arange(windows.shape[2], device=x.device) <= last[:, None]
            pooled.append(F.relu(windows.masked_fill(~inside[:, None], -torch.inf).amax(2)))
        return torch.cat(pooled, 1)


class Recurrent(WordModel):
    def __init__(self, sizes, dropout, cell):
        hidden, layers = sizes["hiddenSize"], sizes["layers"]
        super().__init__(sizes, dropout, 2 * hidden)
        self.hidden = hidden
        self.rnn_name = "lstm" if cell is nn.LSTM else "gru"
        between = dropout if layers > 1 else 0.0
        setattr(
            self,
            self.rnn_name,
            cell(sizes["embeddingSize"], hidden, layers, bidirectional=True, batch_first=True, dropout=between),
        )

    def states(self, x, lengths):
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(getattr(self, self.rnn_name)(packed)[0], batch_first=True)[0]


class BiLSTM(Recurrent):
    def __init__(self, sizes, dropout):
        super().__init__(sizes, dropout, nn.LSTM)

    def sentence(self, x, lengths):
        states = self.states(x, lengths)
        last = states[torch.arange(len(lengths), device=x.device), lengths - 1, : self.hidden]
        return torch.cat([last, states[:, 0, self.hidden :]], 1)


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, width))
        self.bias = nn.Parameter(torch.empty(width))
        self.context = nn.Parameter(torch.empty(width))


class TextHAN(Recurrent):
    def __init__(self, sizes, dropout):
        super().__init__(sizes, dropout, nn.GRU)
        self.attention = Attention(2 * self.hidden)

    def sentence(self, x, lengths):
        states = self.states(x, lengths)
        scores = torch.tanh(F.linear(states, self.attention.weight, self.attention.bias)) @ self.attention.context
        padding = torch.arange(states.shape[1], device=x.device) >= lengths[:, None]
        weights = torch.softmax(scores.masked_fill(padding, -torch.inf), 1)
        return torch.einsum("bl,bld->bd", weights, states)


class Encoder(nn.Module):
    """BERT of transformers, with the attention that it chooses itself."""

    def __init__(self, config):
        from transformers import BertConfig, BertForSequenceClassification

        super().__init__()
        config = {name: value for name, value in config.items() if name != "model_type"}
        self.model = BertForSequenceClassification(BertConfig(**config))

    @property
    def word_embedding(self):
        return self.model.bert.embeddings.word_embeddings.weight

    def forward(self, ids, lengths, rows=None):
        mask = (torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]).long()
        if rows is None:
            return self.model(input_ids=ids, attention_mask=mask).logits
        return self.model(inputs_embeds=rows, attention_mask=mask).logits


def make_model(case, dropout):
    """`dropout`: None leaves an encoder its own rates."""
    kind, sizes = case["model"]["kind"], case["model"]["options"]
    if kind != "encoder":
        rate = case["dropout"] if dropout is None else dropout
        return {"textcnn": TextCNN, "bilstm": BiLSTM, "texthan": TextHAN}[kind](sizes, rate)
    config = dict(case["model"]["config"])
    if dropout is not None:
        config.update(hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    return Encoder(config)


def load_weights(model, path):
    from safetensors.torch import load_file

    target = model.model if isinstance(model, Encoder) else model
    missing, unexpected = target.load_state_dict(load_file(path), strict=False)
    missing = [name for name in missing if "position_ids" not in name]
    assert not missing and not unexpected, (missing, unexpected)
