"""Encodes texts with the tokenizers that transformers makes of vocabulary files; JSON lines on standard input and output.

The first line: {"folder", "family", "settings"}; family: bert, roberta, albert, xlm-roberta, camembert.
Then one case a line: {"texts": [[text, pair or null], ...], "maxLength": n or null} -> {"ids": [...], "typeIds": [...]}
"""

import json
import sys

from transformers import AlbertTokenizer, BertTokenizer, CamembertTokenizer, RobertaTokenizer, XLMRobertaTokenizer

CLASSES = {"bert": BertTokenizer, "roberta": RobertaTokenizer, "albert": AlbertTokenizer,
           "xlm-roberta": XLMRobertaTokenizer, "camembert": CamembertTokenizer}


def main():
    setup = json.loads(sys.stdin.readline())
    tokenizer = CLASSES[setup["family"]].from_pretrained(setup["folder"], **setup.get("settings", {}))
    for line in sys.stdin:
        case = json.loads(line)
        ids, type_ids = [], []
        limit = {"truncation": "longest_first", "max_length": case["maxLength"]} if case["maxLength"] else {}
        # Batches of one: a batch holds either texts or pairs, and outside a batch an empty second text is taken for none.
        for text, pair in case["texts"]:
            encoding = tokenizer([text], None if pair is None else [pair], return_token_type_ids=True, **limit)
            ids += encoding["input_ids"]
            type_ids += encoding["token_type_ids"]
        print(json.dumps({"ids": ids, "typeIds": type_ids}), flush=True)


if __name__ == "__main__":
    main()
