"""Epochs of the base models in PyTorch, with the mathematics of limpid's: seconds of wall-clock and CPU time.

    python benches/peers/bases_torch.py split/ [MODEL ...] [--epochs 2]      threads: OMP_NUM_THREADS, else 2

`split/` is written by `limpid data split --split leave-one-out`; all three parts are trained on, as
`limpid train --split none` does. Forms and settings:

    elsa      the authors': dense rows, x A Aᵀ − x, mean squared error of normalized rows, NAdam, d 256, batch 1,024
    bprmf     ReChorus: d 64, one negative, Adam with weight decay on whole tables, batch 256
    lightgcn  the authors' (3 layers, d 64, batch 2,048, L2 of the batch), the graph as CSR with its symmetry used
              in the backward pass, which is several times faster than the backward pass of torch.sparse.mm;
              "lightgcn-coo" is the authors' own torch.sparse.mm over COO
    sasrec    ReChorus: one block, one head, d 64, padded prefixes of at most 20, BPR, batch 256
    timirec   ReChorus, stage 2: extractor with a block and 6 interests, GRU predictor, BPR and distillation
"""

import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F
from split_folder import PARTS, _ids, _pairs
from timing import report

generator = torch.Generator().manual_seed(1)
D, LENGTH = 64, 20


def read(folder):
    """Items of each user in the order of the parts, and the number of items."""
    pairs = [_pairs(os.path.join(folder, f"{part}.tsv")) for part in PARTS]
    users = _ids(folder, "users.txt", {u for us, _ in pairs for u in us})
    items = _ids(folder, "items.txt", {i for _, its in pairs for i in its})
    row = {user: at for at, user in enumerate(users)}
    column = {item: at for at, item in enumerate(items)}
    rows = [[] for _ in users]
    for us, its in pairs:
        for u, i in zip(us, its):
            rows[row[u]].append(column[i])
    return rows, len(items)


def normal(*shape, std=0.01):
    return (torch.randn(*shape, generator=generator) * std).requires_grad_()


def batches(n, size):
    return torch.randperm(n, generator=generator).split(size)


def negatives(users, owned, n_items):
    """One uniform item per row that its user does not have."""
    found = torch.randint(n_items, (len(users),), generator=generator)
    keys = users * n_items + found
    while True:
        bad = torch.from_numpy(np.isin(keys.numpy(), owned))
        if not bad.any():
            return found
        found[bad] = torch.randint(n_items, (int(bad.sum()),), generator=generator)
        keys = users * n_items + found


class Data:
    def __init__(self, rows, n_items):
        self.rows, self.n_items, self.n_users = rows, n_items, len(rows)
        self.users = torch.tensor([u for u, row in enumerate(rows) for _ in row])
        self.items = torch.tensor([i for row in rows for i in row])
        self.owned = np.unique((self.users * n_items + self.items).numpy())

    def sequences(self):
        """Padded prefixes (N, 20), their lengths, users and targets; 0 is padding."""
        at, lengths, users, targets = [], [], [], []
        for u, row in enumerate(self.rows):
            for end in range(1, len(row)):
                part = row[max(0, end - LENGTH) : end]
                at.append([i + 1 for i in part] + [0] * (LENGTH - len(part)))
                lengths.append(len(part))
                users.append(u)
                targets.append(row[end])
        return [torch.tensor(x) for x in (at, lengths, users, targets)]


def elsa(data):
    a = normal(data.n_items, 256, std=1.0)
    adam = torch.optim.NAdam([a], lr=0.1)

    def epoch():
        for users in batches(data.n_users, 1024):
            x = torch.zeros(len(users), data.n_items)
            for k, u in enumerate(users.tolist()):
                x[k, data.rows[u]] = 1.0
            unit = F.normalize(a, dim=1)
            y = (x @ unit) @ unit.T - x
            loss = F.mse_loss(F.normalize(y, dim=1), F.normalize(x, dim=1))
            adam.zero_grad()
            loss.backward()
            adam.step()

    return epoch


def bprmf(data):
    p, q = normal(data.n_users, D), normal(data.n_items, D)
    adam = torch.optim.Adam([p, q], lr=1e-3, weight_decay=1e-6, fused=True)

    def epoch():
        others = negatives(data.users, data.owned, data.n_items)
        for at in batches(len(data.users), 256):
            u, i, j = p[data.users[at]], q[data.items[at]], q[others[at]]
            loss = F.softplus((u * (j - i)).sum(1)).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()

    return epoch


def lightgcn(data, coo=False):
    n = data.n_users + data.n_items
    x = normal(n, D, std=0.1)
    adam = torch.optim.Adam([x], lr=1e-3, fused=True)
    from_, to = data.users, data.items + data.n_users
    edges = torch.unique(torch.stack([torch.cat([from_, to]), torch.cat([to, from_])]), dim=1)
    degree = torch.bincount(edges[0], minlength=n).float()
    values = (degree[edges[0]] * degree[edges[1]]).rsqrt()
    graph = torch.sparse_coo_tensor(edges, values, (n, n)).coalesce()
    compressed = graph.to_sparse_csr()

    class Times(torch.autograd.Function):
        @staticmethod
        def forward(_, x):
            return compressed @ x

        @staticmethod
        def backward(_, g):
            return compressed @ g.contiguous()

    def epoch():
        count = len(data.users)
        users = torch.randint(data.n_users, (count,), generator=generator)
        starts = torch.tensor(np.cumsum([0] + [len(r) for r in data.rows]))
        sizes = (starts[1:] - starts[:-1])[users]
        chosen = starts[users] + (torch.rand(count, generator=generator) * sizes).long()
        others = negatives(users, data.owned, data.n_items)
        for at in batches(count, 2048):
            layer, total = x, x
            for _ in range(3):
                layer = torch.sparse.mm(graph, layer) if coo else Times.apply(layer)
                total = total + layer
            z = total * 0.25
            u, i, j = users[at], data.items[chosen[at]] + data.n_users, others[at] + data.n_users
            squares = x[u].pow(2).sum() + x[i].pow(2).sum() + x[j].pow(2).sum()
            loss = F.softplus((z[u] * (z[j] - z[i])).sum(1)).mean() + 0.5e-4 / len(at) * squares
            adam.zero_grad()
            loss.backward()
            adam.step()

    return epoch


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.w1, self.w2 = (torch.nn.Linear(D, D) for _ in range(5))
        self.n1, self.n2 = torch.nn.LayerNorm(D), torch.nn.LayerNorm(D)

    def forward(self, x, hidden):
        seen = F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x), attn_mask=hidden)
        x = self.n1(seen + x)
        return self.n2(self.w2(torch.relu(self.w1(x))) + x)


def train_sequences(data, modules, tables, loss_of):
    at, lengths, users, targets = data.sequences()
    weights = [p for m in modules for p in m.parameters()] + tables
    adam = torch.optim.Adam(weights, lr=1e-4, weight_decay=1e-6, fused=True)

    def epoch():
        others = negatives(users, data.owned, data.n_items)
        for b in batches(len(users), 256):
            longest = int(lengths[b].max())
            loss = loss_of(at[b][:, :longest], lengths[b], targets[b] + 1, others[b] + 1)
            adam.zero_grad()
            loss.backward()
            adam.step()

    return epoch


def embed(items, places, at, lengths):
    place = (lengths[:, None] - torch.arange(at.shape[1])[None]).clamp(min=0) * (at > 0)
    return items[at] + places[place]


def sasrec(data):
    items, places, block = normal(data.n_items + 1, D), normal(LENGTH + 1, D), Block()
    causal = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()

    def loss(at, lengths, targets, others):
        n = at.shape[1]
        x = block(embed(items, places, at, lengths), causal[:n, :n])
        z = x[torch.arange(len(at)), lengths - 1]
        return F.softplus((z * (items[others] - items[targets])).sum(1)).mean()

    return train_sequences(data, [block], [items, places], loss)


def timirec(data):
    items, places, block = normal(data.n_items + 1, D), normal(LENGTH + 1, D), Block()
    first, second = torch.nn.Linear(D, 8), torch.nn.Linear(8, 6)
    own, gru, head = normal(data.n_items + 1, D), torch.nn.GRU(D, D, batch_first=True), torch.nn.Linear(D, 6)

    def loss(at, lengths, targets, others):
        there = at > 0
        h = block(embed(items, places, at, lengths), there[:, None, :])
        logits = second(torch.tanh(first(h))).masked_fill(~there[..., None], float("-inf"))
        interests = logits.softmax(1).transpose(1, 2) @ h
        packed = torch.nn.utils.rnn.pack_padded_sequence(own[at], lengths, batch_first=True, enforce_sorted=False)
        p = head(gru(packed)[1][0])
        v = (p.softmax(1)[..., None] * interests).sum(1)
        target = items[targets]
        cosines = F.cosine_similarity(interests, target[:, None], dim=2).detach()
        divergence = F.kl_div(p.log_softmax(1), cosines.softmax(1), reduction="batchmean")
        return F.softplus((v * (items[others] - target)).sum(1)).mean() + divergence

    return train_sequences(data, [block, first, second, gru, head], [items, places, own], loss)


MODELS = {
    "elsa": elsa,
    "bprmf": bprmf,
    "lightgcn": lightgcn,
    "lightgcn-coo": lambda data: lightgcn(data, coo=True),
    "sasrec": sasrec,
    "timirec": timirec,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("split")
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--epochs", type=int, default=2, help="the fastest counts")
    args = parser.parse_args()
    data = Data(*read(args.split))
    for name in args.models:
        report(name, MODELS[name](data), args.epochs)


main()
