"""The steps of `benches/src/bin/tape.rs` in PyTorch, on the inputs that it writes.

    python tape_torch.py FOLDER [TASK] [SECONDS]      threads: RAYON_NUM_THREADS, else 2
"""
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(int(os.environ.get("RAYON_NUM_THREADS", "2")))
folder = sys.argv[1]
only = sys.argv[2] if len(sys.argv) > 2 else "all"
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 4.0


def floats(name, *shape):
    return torch.from_numpy(np.fromfile(f"{folder}/{name}.f32", dtype=np.float32).reshape(shape).copy())


def weight(name, *shape):
    return floats(name, *shape).requires_grad_()


def numbers(name, *shape, kind=np.int64):
    return torch.from_numpy(np.fromfile(f"{folder}/{name}.u32", dtype=np.uint32).astype(kind).reshape(shape))


def sasrec():
    d = 64
    items, places = weight("sasrec.items", 8713, d), weight("sasrec.places", 20, d)
    names = ["q", "k", "v", "o", "w1", "w2"]
    layers = []
    for at in range(2):
        layer = {n: (weight(f"sasrec.{at}.{n}", d, d), weight(f"sasrec.{at}.{n}.bias", d)) for n in names}
        for n in ["norm1", "norm2"]:
            layer[n] = (weight(f"sasrec.{at}.{n}.gain", d), weight(f"sasrec.{at}.{n}.bias", d))
        layers.append(layer)
    norm = (weight("sasrec.norm.gain", d), weight("sasrec.norm.bias", d))
    at, targets = numbers("sasrec.at", 256, 20), numbers("sasrec.targets", 256)
    hidden = torch.full((20, 20), -1e9).triu(1)

    def linear(x, p):
        return x @ p[0] + p[1]

    def loss():
        x = F.embedding(at, items) * 8 + places
        for p in layers:
            q = F.layer_norm(x, (d,), *p["norm1"], 1e-5)
            query, key, value = linear(q, p["q"]), linear(x, p["k"]), linear(x, p["v"])
            if ATTENTION == "fused":
                seen = F.scaled_dot_product_attention(query, key, value, attn_mask=hidden)
            else:
                seen = torch.softmax(query @ key.transpose(1, 2) * 0.125 + hidden, -1) @ value
            x = F.layer_norm(q + linear(seen, p["o"]), (d,), *p["norm2"], 1e-5)
            x = x + linear(torch.relu(linear(x, p["w1"])), p["w2"])
        x = F.layer_norm(x[:, -1], (d,), *norm, 1e-5)
        return F.cross_entropy(x @ items.T, targets)

    weights = [items, places, *norm]
    for layer in layers:
        weights += [w for pair in layer.values() for w in pair]
    return weights, loss


def mlp():
    x, targets = floats("mlp.x", 4096, 256), floats("mlp.targets", 4096, 1)
    sizes = [(256, 256), (256, 128), (128, 1)]
    layers = [(weight(f"mlp.w{i}", *s), weight(f"mlp.b{i}", s[1])) for i, s in enumerate(sizes)]

    def loss():
        h = x
        for i, (w, b) in enumerate(layers):
            h = torch.addmm(b, h, w)
            h = torch.relu(h) if i < 2 else h
        return F.binary_cross_entropy_with_logits(h, targets)

    return [w for pair in layers for w in pair], loss


def lightgcn():
    n = 71000
    table = weight("lightgcn.table", n, 64)
    offsets, columns = (numbers(f"lightgcn.{k}", -1, kind=np.int32) for k in ["offsets", "columns"])
    graph = torch.sparse_csr_tensor(offsets, columns, floats("lightgcn.values", -1), (n, n))
    users, positives, negatives = (numbers(f"lightgcn.{k}", 2048) for k in ["users", "positives", "negatives"])

    class Times(torch.autograd.Function):
        """Uses the symmetry of the graph, which is faster than the backward pass of torch.sparse.mm."""

        @staticmethod
        def forward(_, x):
            return graph @ x

        @staticmethod
        def backward(_, g):
            return graph @ g.contiguous()

    def loss():
        x = mean = table
        for _ in range(3):
            x = Times.apply(x)
            mean = mean + x
        mean = mean * 0.25
        u, p, m = mean[users], mean[positives], mean[negatives]
        squares = sum(table[k].pow(2).sum() for k in (users, positives, negatives))
        return F.softplus((u * m).sum(1) - (u * p).sum(1)).mean() + 1e-4 / 2048 * squares

    return [table], loss


def sae():
    x = floats("sae.x", 1024, 256)
    we, be = weight("sae.encoder", 2048, 256), weight("sae.encoder.bias", 2048)
    wd, bd = weight("sae.decoder", 2048, 256), weight("sae.decoder.bias", 256)

    def loss():
        units = torch.relu(torch.addmm(be, x - bd, we.t()))
        values, at = units.topk(32, 1)
        return (F.embedding_bag(at, wd, per_sample_weights=values, mode="sum") + bd - x).pow(2).mean()

    return [we, be, wd, bd], loss


for task in [sasrec, mlp, lightgcn, sae]:
    name = task.__name__
    if only not in (name, "all"):
        continue
    for ATTENTION in ["plain", "fused"] if task is sasrec else [""]:
        weights, loss = task()
        adam = torch.optim.Adam(weights, lr=1e-3, fused=True)
        losses, times, end = [], [], time.time() + seconds
        before = time.process_time()
        while len(losses) < 6 or time.time() < end:
            start = time.perf_counter()
            adam.zero_grad()
            value = loss()
            value.backward()
            adam.step()
            losses.append(value.item())
            times.append(1e3 * (time.perf_counter() - start))
        shown = " ".join(f"{v:.6f}" for v in losses[:6])
        cpu = 1e3 * (time.process_time() - before) / len(times)
        print(f"torch {name} {ATTENTION} {min(times):.2f} ms, CPU {cpu:.2f} ms, {len(times)} steps, losses {shown}", flush=True)
