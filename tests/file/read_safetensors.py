#!/usr/bin/env python3
"""An independent reader of safetensors files, standard library only, to hold the C++ reader and writer against.

  read_safetensors.py FILE          prints metadata and tensors, one per line, as the C++ test prints them
  read_safetensors.py --make FILE   writes the fixture python_written.safetensors
"""
import json
import random
import struct
import sys

CODES = {"F64": "d", "F32": "f", "F16": "e", "I64": "q", "U64": "Q", "I32": "i", "U32": "I", "I16": "h", "U16": "H",
         "I8": "b", "U8": "B", "BOOL": "?", "BF16": "H"}


def once(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), "a name is given twice"
    return dict(pairs)


def read(path):
    """Metadata and {name: (type, shape, values)}, with the rules of the format asserted."""
    raw = open(path, "rb").read()
    (length,) = struct.unpack("<Q", raw[:8])
    assert length <= 100_000_000 and raw[8:9] == b"{"
    header = json.loads(raw[8:8 + length].decode("utf-8"), object_pairs_hook=once)
    data = raw[8 + length:]
    metadata = header.pop("__metadata__", {})
    assert all(isinstance(value, str) for value in metadata.values())
    tensors, covered = {}, 0
    for name, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = info["data_offsets"]
        assert begin == covered, f"hole or overlap before {name}"
        covered = end
        count = 1
        for dim in info["shape"]:
            count *= dim
        values = struct.unpack(f"<{count}{CODES[info['dtype']]}", data[begin:end])
        if info["dtype"] == "BF16":
            values = tuple(struct.unpack("<f", struct.pack("<I", value << 16))[0] for value in values)
        tensors[name] = (info["dtype"], info["shape"], values, 8 + length + begin)
    assert covered == len(data), "bytes after the last tensor"
    return metadata, tensors


def show(path):
    metadata, tensors = read(path)
    for key in sorted(metadata):
        print("metadata", key.encode().hex(), metadata[key].encode().hex())
    for name in sorted(tensors):
        kind, shape, values, offset = tensors[name]
        weighted = sum((i % 7 + 1) * float(value) for i, value in enumerate(values))
        print("tensor", name.encode().hex(), kind, "x".join(map(str, shape)), offset % 64, f"{weighted:.17g}")


def make(path):
    rng = random.Random(1)
    parts, offset = {}, 0
    data = b""
    plan = [("weights/\u00e9t\u00e9", "F32", [3, 5]), ("half", "F16", [7]), ("brain", "BF16", [4]), ("double", "F64", [2, 2]),
            ("scalar", "F32", []), ("empty", "F32", [0, 9]), ("quote\"back\\slash", "I64", [3]), ("\U0001f3ac", "U8", [5]),
            ("flags", "BOOL", [3]), ("six", "I16", [1, 2, 1, 2, 1, 2])]
    for name, kind, shape in plan:
        count = 1
        for dim in shape:
            count *= dim
        values = [rng.randrange(-64, 64) / 8 for _ in range(count)]
        if kind == "BF16":
            values = [struct.unpack("<I", struct.pack("<f", value))[0] >> 16 for value in values]
        elif kind == "BOOL":
            values = [value > 0 for value in values]
        elif kind[0] in "IU":
            values = [abs(int(8 * value)) if kind[0] == "U" else int(8 * value) for value in values]
        packed = struct.pack(f"<{count}{CODES[kind]}", *values)
        parts[name] = {"dtype": kind, "shape": shape, "data_offsets": [offset, offset + len(packed)]}
        offset += len(packed)
        data += packed
    names = list(parts)
    rng.shuffle(names)  # the order of the header need not be that of the data
    header = {name: parts[name] for name in names[:4]}
    header["__metadata__"] = {"format": "pt", "titles": json.dumps(["Toy \"Story\"", "Am\u00e9lie", "\U0001f600\n"])}
    header.update({name: parts[name] for name in names[4:]})
    text = json.dumps(header, indent=1).encode()  # escapes everything beyond ASCII, breaks lines
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    make(sys.argv[2]) if sys.argv[1] == "--make" else show(sys.argv[1])
