"""Reads random safetensors files with the reference package and with ours, and compares: valid files must be read the same,
and nothing may be accepted that the reference refuses. What only we refuse is counted by reason.

    python test/reference/safetensors_differential.py PROGRAM   (test/fuzz/safetensors_digest.cc, compiled)
"""

import collections
import json
import random
import re
import struct
import subprocess
import sys

import numpy
from safetensors import deserialize
from safetensors.numpy import save

WIDTHS = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4,
          "F32": 4, "F64": 8, "I64": 8, "U64": 8, "C64": 8}
NUMPY = {"F32": "f4", "F64": "f8", "I64": "i8", "U8": "u1", "BOOL": "?", "F16": "f2", "I32": "i4", "C64": "c8"}
NAMES = ["a", "weight", "bert.encoder.layer.0.weight", "ü", "中文", "😀", 'quote"', "back\\slash", "", " ", "\u0000", "\u001f", "a" * 200]


def quoted(text):
    """As json_quote writes it."""
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(short.get(c, f"\\u{ord(c):04x}" if ord(c) < 0x20 else c) for c in text) + '"'


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def valid_file(rng):
    """By the reference package, or by hand: other key orders, spaces, trailing blanks, escapes, tensors out of order."""
    names = rng.sample(NAMES, rng.randint(0, 5))
    tensors = []
    for name in names:
        dtype = rng.choice(list(WIDTHS))
        shape = [rng.choice([0, 1, 1, 2, 3, 5]) for _ in range(rng.randint(0, 4))]
        size = WIDTHS[dtype]
        for extent in shape:
            size *= extent
        tensors.append((name, dtype, shape, rng.randbytes(size)))
    metadata = {rng.choice(NAMES): rng.choice(NAMES) for _ in range(rng.randint(0, 3))} if rng.random() < 0.5 else None
    if all(dtype in NUMPY for _, dtype, _, _ in tensors) and rng.random() < 0.5:
        arrays = {n: numpy.frombuffer(data, NUMPY[d]).reshape(shape) for n, d, shape, data in tensors}
        return save(arrays, metadata)
    order = tensors[:]
    rng.shuffle(order)
    offset, header = 0, {}
    for name, dtype, shape, data in order:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    members = [(name, dict(sorted(fields.items(), key=lambda _: rng.random()))) for name, fields in header.items()]
    if metadata is not None:
        members.append(("__metadata__", metadata))
    rng.shuffle(members)
    indent = rng.choice([None, None, 1])
    text = json.dumps(dict(members), ensure_ascii=rng.random() < 0.5, indent=indent).encode() + b" " * rng.choice([0, 0, 3, 8])
    return struct.pack("<Q", len(text)) + text + b"".join(data for *_, data in order)


def mutated(rng, file):
    data = bytearray(file)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randrange(len(data))
        kind = rng.random()
        if kind < 0.3:
            data[at] = rng.randrange(256)
        elif kind < 0.5:
            data[at] ^= 1 << rng.randrange(8)
        elif kind < 0.6:
            del data[at:at + rng.randint(1, 4)]
        elif kind < 0.7:
            data[at:at] = rng.randbytes(rng.randint(1, 4))
        elif kind < 0.85:
            digits = [m for m in re.finditer(rb"\d+", bytes(data[8:]))]
            if digits:
                m = rng.choice(digits)
                data[8 + m.start():8 + m.end()] = str(rng.choice([0, 1, 2, 4, 7, 2**31, 2**53, 2**53 + 1, 2**63, 2**64 - 1, 2**64])).encode()
        else:
            word = rng.choice([b'"F32"', b'"F64"', b'"F99"', b"null", b"true", b"-1", b"1.0", b"1e2", b"[]", b"{}", b",", b'"shape":[1],'])
            data[at:at + len(word) if rng.random() < 0.5 else at] = word
        if not data:
            break
    if rng.random() < 0.7 and len(data) >= 8:  # so that most get past the length
        header_end = bytes(data).rfind(b"}") + 1
        data[:8] = struct.pack("<Q", max(0, header_end - 8))
    return bytes(data)


def read_by_reference(file):
    """The line that safetensors_digest prints for it, or None if it is refused."""
    try:
        tensors = deserialize(file)
    except Exception:
        return None
    length = struct.unpack("<Q", file[:8])[0]
    metadata = json.loads(file[8:8 + length]).get("__metadata__") or {}
    line = "accepted"
    for key in sorted(metadata, key=lambda k: k.encode()):
        line += f" {quoted(key)}={quoted(metadata[key])}"
    for name, info in sorted(tensors, key=lambda t: t[0].encode()):
        shape = "".join(f"{extent}," for extent in info["shape"])
        line += f" {quoted(name)} {info['dtype']} [{shape}] {fnv(bytes(info['data']))}"
    return line


def main():
    program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    rng = random.Random(5)
    valid = [valid_file(rng) for _ in range(count)]
    damaged = [mutated(rng, rng.choice(valid)) for _ in range(2 * count)]
    files = valid + damaged
    stream = b"".join(struct.pack("<Q", len(file)) + file for file in files)
    lines = subprocess.run([program], input=stream, capture_output=True, check=True).stdout.decode().split("\n")[:-1]
    assert len(lines) == len(files), "a line for each file"
    stricter, accepted, wrong = collections.Counter(), 0, []
    for index, (file, line) in enumerate(zip(files, lines)):
        expected = read_by_reference(file)
        if line.startswith("refused"):
            if expected is not None:
                reason = re.sub(r"\d+|\"[^\"]*\"", "…", line[8:])
                stricter[reason] += 1
                if index < count:
                    wrong.append((line, expected, file))
        elif line != expected:
            wrong.append((line, expected, file))
        else:
            accepted += 1
    for line, expected, file in wrong[:5]:
        print("ours:     ", line, "\nreference:", expected, "\nfile:     ", file, file=sys.stderr)
    print(json.dumps({"valid": len(valid), "damaged": len(damaged), "readAlike": accepted, "wrong": len(wrong),
                      "refusedByUsAlone": dict(stricter)}))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
