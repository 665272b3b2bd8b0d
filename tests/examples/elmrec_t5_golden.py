"""The golden logits of elmrec_t5_test.cpp, from PyTorch: padded batches with masks, weights by formula.

    python3 tests/examples/elmrec_t5_golden.py
"""
import math

import numpy
import torch


def formula(name, count, middle, deviation):
    h = 2166136261
    for c in name.encode():
        h = (h ^ c) * 16777619 % 2**32
    with numpy.errstate(over="ignore"):
        h = numpy.uint32(h) + numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(2654435761)
        h = (h ^ (h >> 16)) * numpy.uint32(0x85EBCA6B)
        h = (h ^ (h >> 13)) * numpy.uint32(0xC2B2AE35)
        h = h ^ (h >> 16)
    u = h.astype(numpy.float64) / 2**32 - 0.5
    return (middle + math.sqrt(12) * deviation * u).astype(numpy.float32)


class T5:
    def __init__(self, vocab, d, kv, heads, ff, layers, decoder_layers):
        self.vocab, self.d, self.kv, self.heads, self.ff = vocab, d, kv, heads, ff
        self.layers, self.decoder_layers = layers, decoder_layers

    def w(self, name, *shape):
        norm = name.endswith("layer_norm.weight")
        if norm:
            deviation = 0.2
        elif name == "shared.weight" or name.endswith("bias.weight"):
            deviation = 1
        elif name.endswith(".q.weight"):
            deviation = 1.5 * (self.d * self.kv) ** -0.5
        elif name.endswith(".o.weight"):
            deviation = (self.heads * self.kv) ** -0.5
        elif name.endswith(".wo.weight"):
            deviation = self.ff**-0.5
        else:
            deviation = self.d**-0.5
        numbers = formula(name, math.prod(shape), 1 if norm else 0, deviation)
        return torch.from_numpy(numbers).reshape(shape).double()

    def norm(self, x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.w(name, self.d)

    def bias(self, stack, queries, keys):
        distance = torch.arange(keys)[None] - torch.arange(queries)[:, None]
        span, first = (16, (distance > 0).long() * 16) if stack == "encoder" else (32, 0)
        far = distance.abs() if stack == "encoder" else -distance.clamp(max=0)
        exact = span // 2
        log = torch.log(far.float().clamp(min=1) / exact) / math.log(128 / exact) * (span - exact)
        bucket = first + torch.where(far < exact, far, (exact + log.long()).clamp(max=span - 1))
        table = self.w(f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight", 32, self.heads)
        return table[bucket].permute(2, 0, 1)

    def attend(self, x, source, layer, bias):
        inner = self.heads * self.kv
        split = lambda y: y.view(*y.shape[:2], self.heads, self.kv).transpose(1, 2)
        q = split(x @ self.w(layer + ".q.weight", inner, self.d).T)
        k = split(source @ self.w(layer + ".k.weight", inner, self.d).T)
        v = split(source @ self.w(layer + ".v.weight", inner, self.d).T)
        mixed = (torch.softmax(q @ k.transpose(-1, -2) + bias, -1) @ v).transpose(1, 2).reshape(*x.shape[:2], inner)
        return mixed @ self.w(layer + ".o.weight", self.d, inner).T

    def feed(self, x, layer):
        h = self.norm(x, layer + ".layer_norm.weight") @ self.w(layer + ".DenseReluDense.wi.weight", self.ff, self.d).T
        return x + torch.relu(h) @ self.w(layer + ".DenseReluDense.wo.weight", self.d, self.ff).T

    def logits(self, source, mask, target):
        table = self.w("shared.weight", self.vocab, self.d)
        hidden = (1 - mask.double())[:, None, None] * -1e9
        x, bias = table[source], self.bias("encoder", source.shape[1], source.shape[1])
        for i in range(self.layers):
            layer = f"encoder.block.{i}.layer."
            normal = self.norm(x, layer + "0.layer_norm.weight")
            x = self.feed(x + self.attend(normal, normal, layer + "0.SelfAttention", bias + hidden), layer + "1")
        memory = self.norm(x, "encoder.final_layer_norm.weight")
        n = target.shape[1]
        y, bias = table[target], self.bias("decoder", n, n) + torch.full((n, n), -1e9).double().triu(1)
        for i in range(self.decoder_layers):
            layer = f"decoder.block.{i}.layer."
            normal = self.norm(y, layer + "0.layer_norm.weight")
            y = y + self.attend(normal, normal, layer + "0.SelfAttention", bias)
            normal = self.norm(y, layer + "1.layer_norm.weight")
            y = self.feed(y + self.attend(normal, memory, layer + "1.EncDecAttention", hidden), layer + "2")
        return self.norm(y, "decoder.final_layer_norm.weight") * self.d**-0.5 @ table.T


def sequences(lengths, vocab, salt):
    return [[1 + (b * 131 + t * 37 + salt) % (vocab - 1) for t in range(n)] for b, n in enumerate(lengths)]


def padded(rows):
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return ids, torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])


def golden(sizes, lengths, answers, places):
    source, mask = padded(sequences(lengths, sizes[0], 5))
    target, _ = padded([[0] + row for row in sequences([n - 1 for n in answers], sizes[0], 11)])
    logits = T5(*sizes).logits(source, mask, target)
    print(sizes, ", ".join(f"{logits[b, t, v].item():.6f}" for b, t, v in places))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    places = [(0, 0, 0), (0, 3, 7), (1, 0, 99), (1, 2, 50), (2, 4, 1), (2, 5, 100)]
    golden((101, 512, 64, 8, 2048, 2, 2), (13, 5, 24), (4, 3, 6), places)
    golden((101, 16, 5, 3, 24, 3, 2), (140, 1, 33), (4, 3, 130), places + [(2, 129, 17), (2, 100, 3)])
