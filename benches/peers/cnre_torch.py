"""One epoch of CNRE (mode=plus) in PyTorch, with the mathematics of `crates/models/src/behavior/cnre`.

    python cnre_torch.py FOLDER [STEPS]      FOLDER: tmall-mb; threads: OMP_NUM_THREADS, else 2

Pairs are sampled and dispatched before the clock starts, which is to the advantage of PyTorch; an epoch is the
retrieval of neighbors and all steps, extrapolated from STEPS of them.
"""
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
import timing  # sets the number of threads
from behaviors import BEHAVIORS, edges

torch.manual_seed(1)
rng = np.random.default_rng(1)
folder, steps = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 8
D, K, H, BATCH, NEIGHBORS = 64, 32, 128, 1024, 5
LAYERS = [1, 1, 3]
T = len(BEHAVIORS)

edges, n_users, n_items = edges(folder)
sets = {}
for bit, e in enumerate(edges):
    for key in (e[0] * n_items + e[1]).tolist():
        sets[key] = sets.get(key, 0) | 1 << bit
union = np.array(list(sets))
graphs = [np.array([union // n_items, union % n_items])] + edges


def adjacency(e):
    n = n_users + n_items
    row = np.concatenate([e[0], e[1] + n_users])
    column = np.concatenate([e[1] + n_users, e[0]])
    degree = np.bincount(row, minlength=n).astype(np.float32)
    value = 1 / np.sqrt(degree[row] * degree[column])
    a = torch.sparse_coo_tensor(np.array([row, column]), value, (n, n))
    return a.coalesce().to_sparse_csr()


A = [adjacency(e) for e in graphs]


def weight(*shape):
    w = torch.empty(*shape)
    torch.nn.init.xavier_uniform_(w)
    return w.requires_grad_()


def layer(inputs, outputs):
    return weight(inputs, outputs), torch.zeros(outputs, requires_grad=True)


users, items = weight(n_users, D), weight(n_items, D)
hyper = [(weight(D, K), weight(D, K)) for _ in BEHAVIORS]
operators = [layer(5 * D, H) + layer(H, 2 * D) for _ in range(3)]  # conjunction, disjunction, prior
predict = [layer(2 * D, D), layer(D, D // 2), layer(D // 2, 1)]
parameters = [users, items, *sum(hyper, ()), *sum(operators, ()), *sum(predict, ())]
adam = torch.optim.Adam(parameters, lr=1e-3)


def propagate(x, a, depth):
    total = x
    for _ in range(depth):
        x = F.normalize(a @ x, dim=1)
        total = total + x
    return total


def semantic(c, w, train):
    h = c @ w
    if train:
        h = F.dropout(h, 0.1)
    gram = (c.detach().T @ c.detach()) / len(c)
    return F.normalize(h @ (w.T @ gram), dim=1)


def encode(train):
    e = propagate(torch.cat([users, items]), A[0], 2)
    out = []
    for b in range(T):
        c = propagate(e, A[1 + b], LAYERS[b])
        s = torch.cat([semantic(c[:n_users], hyper[b][0], train), semantic(c[n_users:], hyper[b][1], train)])
        alpha = (c * s).sum(1) / ((c * c).sum(1) + 1e-8)
        e = e + c + alpha[:, None] * c
        out.append((e[:n_users], e[n_users:], c[n_users:], s[n_users:]))
    return out


def retrieve(x):
    unit = F.normalize(x, dim=1)
    cosines = unit @ unit.T
    cosines.fill_diagonal_(-2)
    top = cosines.topk(NEIGHBORS)
    return (torch.softmax(top.values / 0.1, 1)[:, :, None] * x[top.indices]).sum(1)


def refresh():
    with torch.no_grad():
        of = encode(False)
        return retrieve(of[1][2]), [retrieve(of[b][3]) for b in range(T)]


def upstream(user, item, b):
    return sets.get(user * n_items + item, 0) & ((1 << b) - 1)


rows = [[[] for _ in range(n_users)] for _ in BEHAVIORS]
for b, e in enumerate(edges):
    for user, item in e.T.tolist():
        rows[b][user].append(item)


def negative(user, item, b):
    like = upstream(user, item, b)
    if like and rng.random() < 0.5:
        touched = set().union(*(rows[k][user] for k in range(T)))
        same = [i for i in touched if upstream(user, i, b) == like and not sets[user * n_items + i] >> b & 1]
        if same:
            return same[rng.integers(len(same))]
    while True:
        item = int(rng.integers(n_items))
        if not sets.get(user * n_items + item, 0) >> b & 1:
            return item


def batch():
    at = rng.integers(edges[-1].shape[1], size=BATCH)
    result = []
    for b in range(T):
        triples = []
        for user, item in edges[-1][:, at].T.tolist():
            if b < T - 1:
                if not rows[b][user]:
                    continue
                item = rows[b][user][rng.integers(len(rows[b][user]))]
            triples.append((user, item, negative(user, item, b)))
        u, p, n = np.array(triples).T
        routes = None
        if b == T - 1:
            both = np.concatenate([p, n])
            masks = np.array([upstream(a, i, b) for a, i in zip(np.concatenate([u, u]).tolist(), both.tolist())])
            routes = torch.from_numpy(masks)
        result.append((torch.from_numpy(u), torch.from_numpy(p), torch.from_numpy(n), routes))
    return result


def operate(operator, x):
    w1, b1, w2, b2 = operators[operator]
    return F.leaky_relu(x @ w1 + b1) @ w2 + b2


def logits(of, retrieved, user, item, mask):
    collaborative, semantics = retrieved
    mediators = torch.empty(len(user), 2 * D)
    target = of[-1]

    def inputs(at, b, vectors, found):
        u, i = user[at], item[at]
        return torch.cat([of[b][0][u], vectors[i], found[i], target[0][u], target[1][i]], 1)

    for code, operator, b in [(0, 2, T - 1), (1, 1, 0), (2, 1, 1)]:
        at = (mask == code).nonzero()[:, 0]
        if len(at):
            mediators[at] = operate(operator, inputs(at, b, of[b][3], semantics[b]))
    at = (mask == 3).nonzero()[:, 0]
    if len(at):
        with torch.no_grad():
            sure = (of[1][0][user[at]] * of[1][1][item[at]]).sum(1)
            direct = sure >= sure.median()
        low, high = at[~direct], at[direct]
        if len(low):
            mediators[low] = operate(0, inputs(low, 1, of[1][2], collaborative))
        mediators[high] = torch.cat([of[1][0][user[high]], of[1][1][item[high]]], 1)
    x = mediators
    for k, (w, b) in enumerate(predict):
        x = (F.leaky_relu(x) if k else x) @ w + b
    return x[:, 0]


def step(triples, retrieved):
    of = encode(True)
    loss = 0
    squares = 0
    for b, (u, p, n, routes) in enumerate(triples):
        if routes is None:
            score = lambda i: (of[b][0][u] * of[b][1][i]).sum(1)
            positive, negative_ = score(p), score(n)
        else:
            both = logits(of, retrieved, torch.cat([u, u]), torch.cat([p, n]), routes)
            positive, negative_ = both[: len(u)], both[len(u):]
        loss = loss + F.softplus(negative_ - positive).mean()
        squares = squares + (users[u] ** 2).sum() + (items[torch.cat([p, n])] ** 2).sum()
    loss = loss + 1e-4 * squares / BATCH
    adam.zero_grad()
    loss.backward()
    adam.step()
    return float(loss.detach())


batches = [batch() for _ in range(steps + 1)]
retrieved = refresh()
step(batches[0], retrieved)
wall, cpu = time.time(), time.process_time()
retrieved = refresh()
refreshed, refreshed_cpu = time.time() - wall, time.process_time() - cpu
wall, cpu = time.time(), time.process_time()
losses = [step(b, retrieved) for b in batches[1:]]
each, each_cpu = (time.time() - wall) / steps, (time.process_time() - cpu) / steps
n = -(-edges[-1].shape[1] // BATCH)
print(f"step {each:.3f} s, CPU time {each_cpu:.3f}; retrieval {refreshed:.2f} s, {refreshed_cpu:.2f}; {n} steps, loss {losses[-1]:.3f}")
timing.line("cnre", refreshed + n * each, refreshed_cpu + n * each_cpu)
