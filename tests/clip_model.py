"""A small CLIP model of random weights, in the layout of the library transformers: its rows still tell
apart texts and pictures that look different. Matrices are orthogonal, as a product of random ones keeps only a
few directions of what goes in, and attention is nearly uniform. Standard library alone.

    clip_model.py DIRECTORY [--seed N]
"""
import argparse
import json
import math
import operator
import os
import random
import struct

WIDTH, INNER, LAYERS, HEADS, PROJECTION = 64, 128, 2, 4, 64
SIDE, PATCH, POSITIONS = 32, 8, 77


def byte_symbols():
    """Printable characters that stand for the 256 bytes, as in GPT-2."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    symbol = {b: chr(b) for b in plain}
    symbol.update({b: chr(256 + i) for i, b in enumerate(others)})
    return [symbol[b] for b in plain + others]


def vocabulary():
    symbols = byte_symbols()
    words = symbols + [s + "</w>" for s in symbols] + ["<|startoftext|>", "<|endoftext|>"]
    return {word: i for i, word in enumerate(words)}


def layer_shapes(name):
    shapes = {}
    for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
        shapes[f"{name}.self_attn.{part}.weight"] = [WIDTH, WIDTH]
        shapes[f"{name}.self_attn.{part}.bias"] = [WIDTH]
    for part, rows, columns in (("mlp.fc1", INNER, WIDTH), ("mlp.fc2", WIDTH, INNER)):
        shapes[f"{name}.{part}.weight"] = [rows, columns]
        shapes[f"{name}.{part}.bias"] = [rows]
    for part in ("layer_norm1", "layer_norm2"):
        shapes.update(norm_shapes(f"{name}.{part}"))
    return shapes


def norm_shapes(name):
    return {f"{name}.weight": [WIDTH], f"{name}.bias": [WIDTH]}


def shapes_of(words):
    shapes = {
        "logit_scale": [],
        "text_projection.weight": [PROJECTION, WIDTH],
        "visual_projection.weight": [PROJECTION, WIDTH],
        "text_model.embeddings.token_embedding.weight": [words, WIDTH],
        "text_model.embeddings.position_embedding.weight": [POSITIONS, WIDTH],
        "vision_model.embeddings.class_embedding": [WIDTH],
        "vision_model.embeddings.patch_embedding.weight": [WIDTH, 3, PATCH, PATCH],
        "vision_model.embeddings.position_embedding.weight": [(SIDE // PATCH) ** 2 + 1, WIDTH],
    }
    for name in ("text_model.final_layer_norm", "vision_model.pre_layrnorm", "vision_model.post_layernorm"):
        shapes.update(norm_shapes(name))
    for tower in ("text_model", "vision_model"):
        for i in range(LAYERS):
            shapes.update(layer_shapes(f"{tower}.encoder.layers.{i}"))
    return shapes


def orthogonal(draw, rows, columns):
    """Rows of norm 1 that are orthogonal, or, where there are more rows than columns, columns that are."""
    if rows > columns:
        return [list(row) for row in zip(*orthogonal(draw, columns, rows))]
    basis = []
    while len(basis) < rows:
        row = [draw.gauss(0, 1) for _ in range(columns)]
        for other in basis:
            along = sum(map(operator.mul, row, other))
            row = [x - along * y for x, y in zip(row, other)]
        norm = math.sqrt(sum(x * x for x in row))
        basis.append([x / norm for x in row])
    return basis


def numbers(draw, name, shape):
    count = math.prod(shape)
    if "norm" in name or name == "logit_scale":
        return [1.0 if name.endswith("weight") else 0.0] * count
    if len(shape) < 2 or "embedding" in name and "patch" not in name:
        return [draw.gauss(0, WIDTH**-0.5) for _ in range(count)]
    scale = 0.1 if "q_proj" in name else 1
    return [scale * x for row in orthogonal(draw, shape[0], count // shape[0]) for x in row]


def write_weights(path, shapes, seed):
    draw = random.Random(seed)
    header, data = {}, b""
    for name, shape in sorted(shapes.items()):
        values = numbers(draw, name, shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(values)]}
        data += struct.pack(f"<{len(values)}f", *values)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def write_config(path, words):
    tower = {"hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
    config = {
        "model_type": "clip",
        "projection_dim": PROJECTION,
        "text_config": {**tower, "vocab_size": words, "max_position_embeddings": POSITIONS},
        "vision_config": {**tower, "image_size": SIDE, "patch_size": PATCH},
    }
    with open(path, "w") as file:
        json.dump(config, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("directory")
    parser.add_argument("--seed", type=int, default=1)
    request = parser.parse_args()
    os.makedirs(request.directory, exist_ok=True)
    place = lambda name: os.path.join(request.directory, name)
    vocab = vocabulary()
    with open(place("vocab.json"), "w") as file:
        json.dump(vocab, file)
    with open(place("merges.txt"), "w") as file:
        file.write("#version: 0.2\n")
    write_config(place("config.json"), len(vocab))
    write_weights(place("model.safetensors"), shapes_of(len(vocab)), request.seed)


main()
