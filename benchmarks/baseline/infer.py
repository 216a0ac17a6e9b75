"""Inference with PyTorch: the same tokenizer, texts of like length together, batches of 32, padded to the batch's longest.

    python infer.py CASE.json      commands as benchmarks/inference/serve.ts; `export` writes the model as ONNX
"""

import json
import sys
import time

import torch
from tokenizers import Tokenizer

from models import load_weights, make_model

BATCH, LONGEST = 32, 128


class Runner:
    def __init__(self, case):
        self.case = case
        torch.set_num_threads(case["threads"])
        with open(f"{case['folder']}/config.json") as file:
            config = json.load(file)
        if config["model_type"] == "bert":
            options, kind = {}, "encoder"
            config = {**config, "num_labels": len(config["id2label"])}
        else:
            kind = config["model_type"]
            options = {
                "vocabularySize": config["vocab_size"],
                "embeddingSize": config["embedding_size"],
                "hiddenSize": config["hidden_size"],
                "layers": config.get("num_layers", 1),
                "windows": config.get("window_sizes", []),
                "outputs": len(config["id2label"]),
            }
        case = {"model": {"kind": kind, "options": options, "config": config}, "dropout": 0.0}
        self.model = make_model(case, None).eval()
        load_weights(self.model, f"{self.case['folder']}/model.safetensors")
        self.tokenizer = Tokenizer.from_file(f"{self.case['folder']}/tokenizer.json")
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(LONGEST)

    @torch.inference_mode()
    def classify(self):
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(self.case["texts"])]
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        result = [0.0] * len(ids)
        for first in range(0, len(order), BATCH):
            rows = order[first : first + BATCH]
            longest = max(len(ids[row]) for row in rows)
            padded = torch.tensor([ids[row] + [0] * (longest - len(ids[row])) for row in rows])
            lengths = torch.tensor([len(ids[row]) for row in rows])
            for row, p in zip(rows, torch.softmax(self.model(padded, lengths), -1)[:, 0].tolist()):
                result[row] = p
        return result

    def export(self):
        ids, lengths = torch.ones(2, 9, dtype=torch.long), torch.tensor([9, 5])
        torch.onnx.export(
            self.model,
            (ids, lengths),
            self.case["onnx"],
            input_names=["ids", "lengths"],
            output_names=["logits"],
            dynamic_axes={"ids": {0: "batch", 1: "length"}, "lengths": {0: "batch"}},
            dynamo=False,
        )


def main():
    with open(sys.argv[1]) as file:
        runner = Runner(json.load(file))
    for line in sys.stdin:
        command = line.strip()
        if command == "end":
            break
        started = time.perf_counter()
        if command == "probabilities":
            answer = {"probabilities": runner.classify()}
        elif command == "export":
            runner.export()
            answer = {}
        else:
            runner.classify()
            answer = {"milliseconds": (time.perf_counter() - started) * 1000}
        print(json.dumps(answer), flush=True)


main()
