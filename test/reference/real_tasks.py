"""Small random encoders on rows of the real tasks, in fp64: what transformers' tokenizer and model and the step of parity.py make
of them. JSON lines on standard input and output, a case each:

    {"folder", "family", "kind", "labels", "maxLength", "rows": [[text, pair or null, label], ...]}
    -> {"logits": [[...], ...], "methods": {method: [event, ...]}}

A folder holds vocabulary files; the model is saved there. Each step takes the next BATCH rows.
"""

import json
import sys

import torch
from encode_texts import CLASSES as TOKENIZERS
from encoders import FAMILIES, METHODS, OPTIMIZER, SCHEDULE, matrix_name
from parity import BATCH, STEPS, learning_rates, make_optimizer, train_step


def make_model(case, vocabulary_size):
    make, configure, sizes, _ = FAMILIES[case["family"]]
    positions = case["maxLength"] + (2 if "type_vocab_size" in sizes else 0)
    sizes = {**sizes, "vocab_size": vocabulary_size, "max_position_embeddings": positions}
    labels = dict(enumerate(case["labels"] or ["LABEL_0"]))
    torch.manual_seed(3)
    return make(configure(**sizes, id2label=labels, label2id={label: i for i, label in labels.items()},
                          problem_type="regression" if case["kind"] == "regression" else "single_label_classification"))


def call_padded(model, texts, replaced):
    """Outputs of texts that are padded to the longest, as transformers is used."""
    padded = torch.nn.utils.rnn.pad_sequence
    ids = padded([ids for ids, _ in texts], batch_first=True, padding_value=model.config.pad_token_id)
    mask = padded([torch.ones_like(ids) for ids, _ in texts], batch_first=True)
    inputs = {"input_ids": ids, "attention_mask": mask}
    if model.config.model_type in ("bert", "albert", "electra"):
        inputs["token_type_ids"] = padded([types for _, types in texts], batch_first=True)
    return torch.func.functional_call(model, replaced, (), inputs).logits


def train(case, texts, labels, method):
    model = FAMILIES[case["family"]][0].from_pretrained(case["folder"]).double().eval()
    optimizer = make_optimizer(model, OPTIMIZER)
    events = []
    for step, learning_rate in enumerate(learning_rates(SCHEDULE)):
        rows = slice(BATCH * step, BATCH * (step + 1))
        events.append(train_step(model, optimizer, OPTIMIZER, METHODS[method], texts[rows], labels[rows],
                                 case["kind"] == "regression", learning_rate, matrix_name(case["family"]), call_padded))
    return events


def run(case):
    family = {"distilbert": "bert", "electra": "bert"}.get(case["family"], case["family"])
    tokenizer = TOKENIZERS[family].from_pretrained(case["folder"])
    model = make_model(case, len(tokenizer))
    model.save_pretrained(case["folder"])
    texts = []
    for text, pair, _ in case["rows"]:
        encoding = tokenizer([text], None if pair is None else [pair], return_token_type_ids=True, truncation="longest_first",
                             max_length=case["maxLength"])
        texts.append((torch.tensor(encoding["input_ids"][0]), torch.tensor(encoding["token_type_ids"][0])))
    is_regression = case["kind"] == "regression"
    labels = torch.tensor([label if is_regression else case["labels"].index(label) for _, _, label in case["rows"]],
                          dtype=torch.double if is_regression else torch.long)
    assert len(texts) == BATCH * STEPS
    with torch.no_grad():
        logits = call_padded(model.double().eval(), texts, {}).tolist()
    return {"logits": logits, "methods": {method: train(case, texts, labels, method) for method in METHODS}}


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
