"""Philox 4x32-10 (Salmon et al., SC 2011) and the library's streams, written from the paper and from native/core/random.h's
comments: the noise of perturbations, in plain integers."""

import math

MASK = (1 << 32) - 1


def philox(counter, key):
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & MASK, (p0 >> 32) ^ c[3] ^ k1, p0 & MASK]
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c


def split_mix(x):
    x = (x + 0x9E3779B97F4A7C15) & ((1 << 64) - 1)
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & ((1 << 64) - 1)
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & ((1 << 64) - 1)
    return x ^ (x >> 31)


STREAMS = {"dropout": 3, "ascent": 4}


def key(seed, stream):
    key = split_mix(split_mix(seed) ^ STREAMS[stream])
    return key & MASK, key >> 32


def noise(seed, step, identifier, elements, kind):
    """`elements` numbers of an example, or of a token of the matrix."""
    values = []
    for block in range((elements + 3) // 4):
        words = [(word + 0.5) / 2**32 for word in philox((step, identifier, 0, block), key(seed, "ascent"))]
        if kind == "uniform":
            values += [2 * word - 1 for word in words]
        else:
            for u, v in (words[:2], words[2:]):
                radius = math.sqrt(-2 * math.log(u))
                values += [radius * math.cos(2 * math.pi * v), radius * math.sin(2 * math.pi * v)]
    return values[:elements]
