"""CPU seconds of an epoch of MBGCN in PyTorch, with the mathematics of `crates/models/src/graph/mbgcn.rs`.

    python mbgcn_torch.py FOLDER [--epochs N]      FOLDER: tmall-mb

An epoch has every user with a purchase once. Purchases and negatives are drawn before the clock starts, which is to the
advantage of PyTorch, as are the likenesses of all users: one sparse product instead of one of the rows of a batch.
Threads: OMP_NUM_THREADS.
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from behaviors import edges
from timing import report

D, BATCH, DROPOUT, LAMBDA = 64, 1024, 0.2, 1.0


def main():
    parser = argparse.ArgumentParser(description="Epochs of MBGCN")
    parser.add_argument("folder")
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    pairs, n_users, n_items = edges(args.folder)
    n = len(pairs)

    def means(rows, columns, shape):
        degrees = np.bincount(rows, minlength=shape[0]).astype(np.float32)
        values = torch.from_numpy(1 / degrees[rows])
        at = torch.from_numpy(np.array([rows, columns]))
        return torch.sparse_coo_tensor(at, values, shape).coalesce().to_sparse_csr()

    of_items = [means(u, i, (n_users, n_items)) for u, i in pairs]
    of_users = [means(i, u, (n_items, n_users)) for u, i in pairs]
    counts = np.array([np.bincount(u, minlength=n_users) for u, _ in pairs]).T
    counts = torch.from_numpy(counts.astype(np.float32))
    roots = torch.from_numpy(np.sqrt(np.bincount(pairs[-1][1], minlength=n_items)).astype(np.float32))

    def weight(*shape):
        w = torch.empty(*shape)
        torch.nn.init.xavier_uniform_(w)
        return w.requires_grad_()

    users, items, w = weight(n_users, D), weight(n_items, D), weight(D, D)
    of_behaviors = torch.ones(n, requires_grad=True)
    p = [weight(D, D) for _ in range(n)]
    m = [weight(2 * D, 2 * D) for _ in range(n)]
    adam = torch.optim.Adam([users, items, w, of_behaviors, *p, *m], lr=3e-3)

    def step(user, positive, negative):
        mean = [a @ items for a in of_items]
        shares = counts * of_behaviors
        shares = shares / (shares.sum(1, keepdim=True) + 1e-6)
        mixed = sum(shares[:, b, None] * mean[b] for b in range(n))
        buyers = (of_users[-1] @ users) * roots[:, None]
        all_users = torch.cat([users, F.dropout(mixed @ w, DROPOUT)], 1)
        all_items = torch.cat([items, F.dropout(buyers @ w, DROPOUT)], 1)
        parts = [(all_users[user], all_items)]
        for b in range(n):
            s = torch.cat([items, F.dropout((of_users[b] @ mean[b]) @ p[b], DROPOUT)], 1)
            like = (of_items[b] @ s)[user] @ m[b] * (LAMBDA / n)
            parts.append((like, s))
        score = lambda item: sum((a * vectors[item]).sum(1) for a, vectors in parts)
        loss = F.softplus(score(negative) - score(positive)).mean()
        rows = [users[user], items[positive], items[negative]]
        loss = loss + 1e-4 / len(user) * sum(r.pow(2).sum() for r in rows)
        adam.zero_grad()
        loss.backward()
        adam.step()

    buys = [[] for _ in range(n_users)]
    for u, i in pairs[-1].T.tolist():
        buys[u].append(i)
    of = np.array([u for u in range(n_users) if buys[u]])
    rng.shuffle(of)
    positives = np.array([buys[u][rng.integers(len(buys[u]))] for u in of])
    drawn = [torch.from_numpy(x) for x in (of, positives, rng.integers(n_items, size=len(of)))]

    def epoch():
        for start in range(0, len(of), BATCH):
            step(*(x[start : start + BATCH] for x in drawn))

    report("mbgcn", epoch, args.epochs)


if __name__ == "__main__":
    main()
