"""Seconds for ndcg and recall at 5, 10 and 20 of a given score matrix in NumPy.

The usual way: mask training items with -inf, argpartition each row, sort the head, look up the hits.

    python benches/peers/evaluate_numpy.py scores.npy split/

`split/` holds train.tsv and test.tsv (columns user and item, more may follow; a header line). Rows
and columns of `scores.npy` (float32) are users and items in the order of the sorted external ids of
the whole split, or of `users.txt` and `items.txt` (one id a line) where the folder has them.
OMP_NUM_THREADS bounds the threads of NumPy, as for every NumPy program.
"""

import argparse
import time

import numpy as np
from split_folder import read_split


def measure(scores, train, test, cutoffs=(5, 10, 20)):
    """Means of ndcg and recall over users with test items; `scores` is overwritten where masked."""
    users, items = train.nonzero()
    scores[users, items] = -np.inf
    deepest = max(cutoffs)
    head = np.argpartition(-scores, deepest, axis=1)[:, :deepest]
    order = np.argsort(-np.take_along_axis(scores, head, axis=1), axis=1, kind="stable")
    head = np.take_along_axis(head, order, axis=1)
    rows = np.repeat(np.arange(scores.shape[0]), deepest)
    hits = (np.asarray(test[rows, head.ravel()]).reshape(head.shape) > 0).astype(np.float64)
    n_truth = np.diff(test.indptr)
    measured = n_truth > 0
    discounts = 1.0 / np.log2(np.arange(deepest) + 2.0)
    ideal = np.cumsum(discounts)
    found = {}
    for k in cutoffs:
        gain = hits[:, :k] @ discounts[:k]
        best = ideal[np.minimum(n_truth[measured], k) - 1]
        found[f"ndcg@{k}"] = float(np.mean(gain[measured] / best))
        recall = hits[:, :k].sum(1)[measured] / n_truth[measured]
        found[f"recall@{k}"] = float(np.mean(recall))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores", help="float32 .npy file of shape (users, items)")
    parser.add_argument("split", help="folder with train.tsv and test.tsv")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    parts = read_split(args.split)
    original = np.load(args.scores)
    assert original.shape == parts["train"].shape, (original.shape, parts["train"].shape)
    seconds = []
    for _ in range(args.repeat):
        scores = original.copy()
        start = time.perf_counter()
        found = measure(scores, parts["train"], parts["test"])
        seconds.append(time.perf_counter() - start)
    for name, value in found.items():
        print(f"{name}\t{value:.6f}")
    print(f"seconds\tbest {min(seconds):.4f}\tmedian {np.median(seconds):.4f}\truns {args.repeat}")


if __name__ == "__main__":
    main()
