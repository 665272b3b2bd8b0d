"""Reads a safetensors file into numpy arrays by name; fillers for alignment are left out."""
import json
import struct

import numpy

TYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "U8": "<u1"}


def read(path):
    data = open(path, "rb").read()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    arrays = {}
    for name, entry in header.items():
        if name.startswith("__"):
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        arrays[name] = numpy.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays
