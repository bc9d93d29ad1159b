"""Events of tmall-mb by behavior, as the peers of models of several behaviors read them."""

import gzip

import numpy as np

BEHAVIORS = ["view", "cart", "buy"]


def edges(folder):
    """Distinct pairs of a user and an item, `(2, n)`, for each behavior; then the numbers of users and items."""
    all_pairs = []
    for name in BEHAVIORS:
        users, items = [], []
        with gzip.open(f"{folder}/{name}/train.txt.gz", "rt") as lines:
            for line in lines:
                user, *of = [int(x) for x in line.split()]
                users += [user] * len(of)
                items += of
        all_pairs.append(np.unique(np.array([users, items]), axis=1))
    sizes = [max(int(e[axis].max()) for e in all_pairs) + 1 for axis in (0, 1)]
    return all_pairs, *sizes
