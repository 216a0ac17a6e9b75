"""Trains a small Unigram model on the text on standard input and writes PREFIX.model: argument 1; argument 2: albert or plain."""

import io
import sys

import sentencepiece

lines = sys.stdin.read().splitlines()
special = ({"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3, "bos_piece": "[CLS]", "eos_piece": "[SEP]", "pad_piece": "<pad>",
            "control_symbols": ["[MASK]"], "user_defined_symbols": ["(", ")", '"', "-"]} if sys.argv[2] == "albert" else {})
model = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=model, vocab_size=2000, model_type="unigram",
                                         hard_vocab_limit=False, minloglevel=2, **special)
with open(sys.argv[1], "wb") as file:
    file.write(model.getvalue())
