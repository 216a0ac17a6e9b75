"""The runner of PyTorch's side: one process that trains one case with one implementation.

    python run.py CASE.json      commands on stdin, answers on stdout: benchmarks/runner/protocol.ts
"""

import json
import resource
import statistics
import sys
import time

import torch

from flattened import Flattened
from models import load_weights, make_model
from steps import Released, Tuned

WARM_BATCHES = 8  # protocol.ts

IMPLEMENTATIONS = {
    # name: (step, fused AdamW, compiled)
    "released": (Released, False, False),
    "released-compiled": (Released, False, True),
    "tuned": (Tuned, True, False),
    "tuned-compiled": (Tuned, True, True),
    "flattened": (Flattened, True, False),
}


class Runner:
    def __init__(self, case):
        self.case = case
        torch.set_num_threads(case["threads"])
        self.device = torch.device(case["device"])
        self.batches = [self.padded(batch) for batch in case["batches"]]
        self.trained = None

    def padded(self, batch):
        longest = max(len(text) for text in batch["texts"])
        ids = torch.tensor([text + [0] * (longest - len(text)) for text in batch["texts"]])
        lengths = torch.tensor([len(text) for text in batch["texts"]])
        labels = torch.tensor(batch["labels"])
        return [tensor.to(self.device) for tensor in (ids, lengths, labels)]

    def make(self, dropout=None):
        model = make_model(self.case, dropout)
        load_weights(model, self.case["weights"])
        model = model.to(self.device).train()
        step, fused, compiled = IMPLEMENTATIONS[self.case["implementation"]]
        return step(model, self.case, fused, compiled)

    def synchronize(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def run(self, first, count):
        if self.trained is None:
            self.trained = self.make()
        self.synchronize()
        started = time.perf_counter()
        for batch in self.batches[first : first + count]:
            self.trained.step(*batch)
        self.synchronize()
        return (time.perf_counter() - started) * 1000

    def gate(self, _):
        plain = self.make(dropout=0.0)
        plain.exact = True
        names = ("cleanLoss", "adversarialLoss", "klLoss", "gradNorm")
        return {
            "steps": [
                dict(zip(names, (value.item() for value in plain.step(*batch)))) for batch in self.batches[:2]
            ]
        }

    def warmup(self, seconds):
        started, times = time.perf_counter(), []
        most = 10 if self.device.type == "cpu" else 20
        while len(times) < 2 or (len(times) < most and time.perf_counter() - started < float(seconds)):
            times.append(self.run(len(times) % WARM_BATCHES, 1))
        return {"milliseconds": statistics.median(times)}

    def block(self, argument):
        first, count = map(int, argument.split())
        return {"milliseconds": self.run(first, count)}

    def end(self, _):
        if self.device.type == "cuda":
            return {"peakMemoryBytes": torch.cuda.max_memory_reserved(self.device)}
        return {"peakMemoryBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def main():
    with open(sys.argv[1]) as file:
        runner = Runner(json.load(file))
    answers = {name: getattr(runner, name) for name in ("gate", "warmup", "block", "end")}
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        print(json.dumps(answers[command](argument)), flush=True)
        if command == "end":
            break


main()
