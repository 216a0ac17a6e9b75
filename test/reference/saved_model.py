"""Prints logits of a saved model as transformers reads it, for the texts (and pairs) on standard input."""

import json
import sys

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification

folder = sys.argv[1]
model, info = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
tokenizer.enable_truncation(16, strategy="longest_first")
model.eval()
rows = []
for text, pair in json.load(sys.stdin):
    encoding = tokenizer.encode(text, pair)
    inputs = {"input_ids": torch.tensor([encoding.ids])}
    if model.config.model_type in ("bert", "albert", "electra"):
        inputs["token_type_ids"] = torch.tensor([encoding.type_ids])
    with torch.no_grad():
        rows.append(model(**inputs).logits[0].double().tolist())
print(json.dumps({
    "rows": rows,
    "missing": sorted(info["missing_keys"]),
    "unexpected": sorted(info["unexpected_keys"]),
    "labels": [model.config.id2label[i] for i in range(model.config.num_labels)],
    "problemType": model.config.problem_type,
}))
