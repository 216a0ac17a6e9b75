"""Makes the fixtures of test/native/encoder-parity.test.ts: small random encoders as transformers saves them, their outputs
and gradients, and ten steps of every method. The step is that of parity.py; the models are those of transformers.

    venv/bin/python test/reference/encoders.py
"""

import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import save_file
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    CamembertConfig,
    CamembertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

import ascent
from parity import BATCH, CLASSES, FIXTURES, STEPS, checksums, learning_rates, make_optimizer, one_by_one, rounded, supervised, train_step

FOLDER = FIXTURES / "encoders"
VOCABULARY, POSITIONS = 40, 24
SIZES = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
         "intermediate_size": 24, "max_position_embeddings": POSITIONS}
# RoBERTa's positions begin after its padding id, so it needs two more. ALBERT: two groups of two inner layers.
ROBERTA_SIZES = {**SIZES, "max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1, "pad_token_id": 1}
FAMILIES = {
    "bert": (BertForSequenceClassification, BertConfig, SIZES, "bert"),
    "roberta": (RobertaForSequenceClassification, RobertaConfig, ROBERTA_SIZES, "roberta"),
    "albert": (AlbertForSequenceClassification, AlbertConfig,
               {**SIZES, "embedding_size": 8, "num_hidden_layers": 3, "num_hidden_groups": 2, "inner_group_num": 2}, "albert"),
    "distilbert": (DistilBertForSequenceClassification, DistilBertConfig,
                   {"vocab_size": VOCABULARY, "dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 24,
                    "max_position_embeddings": POSITIONS}, "distilbert"),
    # MiniLM's activation is BERT's; relu and gelu_new are in the wild as well.
    "bert-relu": (BertForSequenceClassification, BertConfig, {**SIZES, "hidden_act": "relu"}, "bert"),
    "electra": (ElectraForSequenceClassification, ElectraConfig, {**SIZES, "embedding_size": 8}, "electra"),
    "camembert": (CamembertForSequenceClassification, CamembertConfig, ROBERTA_SIZES, "roberta"),
    "xlm-roberta": (XLMRobertaForSequenceClassification, XLMRobertaConfig, ROBERTA_SIZES, "roberta"),
}
METHODS = {
    "none": {"type": "none", "forwards": 1, "epsilon": [0.0], "klWeight": 0.0},
    "fgm": {"type": "fgm", "forwards": 1, "epsilon": [0.5], "klWeight": 0.0},
    "r-drop": {"type": "r-drop", "forwards": 2, "epsilon": [0.0], "klWeight": 0.5},
    "r-at": {"type": "r-at", "forwards": 2, "epsilon": [0.5, 1.0], "klWeight": 0.5},
}
# Those that climb, or are noisy, written by text in ascent.py; for the families whose embeddings differ.
CLIMBING = [
    {"type": "pgd", "scope": "example", "ascentSteps": 3, "stepSize": 0.3, "epsilon": 0.6},
    {"type": "freelb", "scope": "example", "ascentSteps": 2, "stepSize": 0.3, "epsilon": 0.6, "ascentInit": "uniform"},
    {"type": "freelb", "scope": "matrix", "ascentSteps": 3, "stepSize": 0.3, "epsilon": 0.6},
    {"type": "r3f", "epsilon": 0.2, "klWeight": 0.8},
    {"type": "smart", "scope": "example", "ascentSteps": 1, "stepSize": 0.3, "epsilon": 0.4, "klWeight": 0.8},
]
CLIMBERS = ("bert", "roberta", "albert")
OPTIMIZER = {"type": "adamw", "weightDecay": 0.01, "clipNorm": 1.0}
# Larger rates make AdamW amplify the rounding of gradients that are next to nothing.
SCHEDULE = {"type": "linear", "warmupRatio": 0.25, "learningRate": 0.002}


def batches(regression):
    generator = torch.Generator().manual_seed(5)
    result = []
    for _ in range(STEPS):
        # From one token to all positions; the second half of a pair has type 1.
        lengths = [1, POSITIONS, *torch.randint(2, POSITIONS, (BATCH - 2,), generator=generator).tolist()]
        texts = [torch.randint(3, VOCABULARY, (n,), generator=generator) for n in lengths]
        types = [(torch.arange(len(text)) >= (len(text) + 1) // 2).long() for text in texts]
        labels = (torch.randn(BATCH, generator=generator) if regression
                  else torch.randint(0, CLASSES, (BATCH,), generator=generator))
        result.append((list(zip(texts, types)), labels))
    return result


def initial_model(family, regression):
    make, configure, sizes, _ = FAMILIES[family]
    labels = {0: "LABEL_0"} if regression else {i: f"class {i}" for i in range(CLASSES)}
    config = configure(**sizes, id2label=labels, label2id={label: i for i, label in labels.items()},
                       problem_type="regression" if regression else "single_label_classification")
    model = make(config)
    generator = torch.Generator().manual_seed(9)
    for name, parameter in model.named_parameters():
        scale_of_norm = name.endswith("weight") and parameter.dim() == 1
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3 + scale_of_norm
    word_embeddings = model.base_model.get_input_embeddings()
    word_embeddings.weight.data[word_embeddings.padding_idx or 0] = 0
    return model.eval()


def call(model, text, replaced):
    ids, types = text
    inputs = {"input_ids": ids[None]}
    if model.config.model_type in ("bert", "albert", "electra"):
        inputs["token_type_ids"] = types[None]
    return torch.func.functional_call(model, replaced, (), inputs).logits[0]


def matrix_name(family):
    return f"{FAMILIES[family][3]}.embeddings.word_embeddings.weight"


@torch.no_grad()
def logits_of(model, data):
    return torch.stack([call(model, text, {}) for texts, _ in data for text in texts])


def gradients_of(model, batch, regression):
    texts, labels = batch
    outputs = torch.stack([call(model, text, {}) for text in texts])
    model.zero_grad()
    supervised(outputs, labels.to(outputs.dtype) if regression else labels, regression).backward()
    return {name: p.grad.detach().clone() for name, p in model.named_parameters()}


def relative_error(values, expected):
    flat = torch.cat([v.double().flatten() for v in values])
    reference = torch.cat([v.double().flatten() for v in expected])
    return ((flat - reference).norm() / reference.norm()).item()


class OneByOne:
    """An encoder as ascent.py wants its models: called with one text, its embedding to be hooked."""

    def __init__(self, model, texts):
        self.model = model
        self.types = {id(ids): types for batch, _ in texts for ids, types in batch}
        self.embedding = model.base_model.get_input_embeddings()
        self.parameters = model.parameters

    def __call__(self, ids):
        return call(self.model, (ids, self.types[id(ids)]), {})


def climbing_cases(family, regression):
    kind = "regression" if regression else "classification"
    for c in CLIMBING if family in CLIMBERS else []:
        model, data = initial_model(family, regression).double(), batches(regression)
        optimizer = make_optimizer(model, ascent.OPTIONS)
        for group in optimizer.param_groups:
            group["lr"] = SCHEDULE["learningRate"]
        encoder = OneByOne(model, data)
        events = [{**ascent.train_step(encoder, optimizer, c, [ids for ids, _ in texts],
                                       labels.double() if regression else labels, regression, i + 1),
                   "learningRate": SCHEDULE["learningRate"]} for i, (texts, labels) in enumerate(data)]
        regularizer = {"forwards": 1, "klWeight": 0.0, "klReduction": "batch-mean", **c, "epsilon": [c["epsilon"]]}
        yield {"family": family, "kind": kind, "name": f"{family}, {kind}, {ascent.title(c)}", "regularizer": regularizer,
               "optimizer": ascent.OPTIONS, "schedule": {"type": "constant", "warmupRatio": 0, "learningRate": SCHEDULE["learningRate"]},
               "events": events, "weights": checksums(model)}


def main():
    # With a folder as argument: writes there, to be compared with the fixtures; with families after it, those alone.
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    families = sys.argv[2:] or FAMILIES
    if target == FOLDER:
        shutil.rmtree(FOLDER, ignore_errors=True)
    cases, models = [], []
    for family in families:
        for regression in (False, True):
            kind = "regression" if regression else "classification"
            folder = target / f"{family}-{kind}"
            initial_model(family, regression).save_pretrained(folder)
            model = initial_model(family, regression).double()
            data = batches(regression)
            gradients = gradients_of(model, data[0], regression)
            save_file(gradients, folder / "gradients.safetensors")
            # What PyTorch's own mixed precision is off by.
            mixed = initial_model(family, regression)
            with torch.autocast("cpu", torch.bfloat16):
                mixed_gradients = gradients_of(mixed, data[0], regression)
                mixed_logits = logits_of(mixed, data)
            logits = logits_of(model, data)
            models.append({"family": family, "kind": kind, "logits": logits.tolist(),
                           "bf16": {"logits": relative_error([mixed_logits], [logits]),
                                    "gradients": relative_error(mixed_gradients.values(), gradients.values())}})
            for method, regularizer in METHODS.items():
                model = initial_model(family, regression).double()
                optimizer = make_optimizer(model, OPTIMIZER)
                events = []
                for (texts, labels), learning_rate in zip(data, learning_rates(SCHEDULE)):
                    event = train_step(model, optimizer, OPTIMIZER, regularizer, texts, labels.double() if regression else labels,
                                       regression, learning_rate, matrix_name(family), one_by_one(call))
                    events.append({**event, "learningRate": learning_rate})
                cases.append({"family": family, "kind": kind, "name": f"{family}, {kind}, {method}",
                              "regularizer": {"klReduction": "batch-mean", **regularizer}, "optimizer": OPTIMIZER,
                              "schedule": SCHEDULE,
                              "events": events, "weights": checksums(model)})
            cases += climbing_cases(family, regression)
    data = {kind: [{"texts": [t.tolist() for t, _ in texts], "types": [t.tolist() for _, t in texts], "labels": labels.tolist()}
                   for texts, labels in batches(kind == "regression")] for kind in ("classification", "regression")}
    text = json.dumps(rounded({"batches": data, "models": models, "cases": cases}))
    (target / "encoders.json").write_text(text + "\n")
    print(f"{len(cases)} cases, {len(text) // 1024} KiB")


if __name__ == "__main__":
    main()
