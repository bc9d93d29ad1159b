"""EASE in NumPy, on a split that limpid can read too: seconds and NDCG@20.

Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019: B = I - P / diag(P) with
P = (X'X + lambda I)^-1, the diagonal of B set to 0. The Gram matrix comes from SciPy's sparse
product; the inverse is taken in double or in single precision.

    python benches/peers/ease_numpy.py split/ --reg 1000 --dtype float64

`split/` holds train.tsv, validation.tsv and test.tsv (columns user and item; a header line).
Train items are masked; validation items are not, unless --mask-validation is given.
OMP_NUM_THREADS bounds the threads of NumPy.
"""

import argparse
import time

import numpy as np
from evaluate_numpy import measure
from split_folder import read_split


def fit(train, reg, dtype):
    """Item-to-item weights (items, items)."""
    gram = (train.T @ train).toarray().astype(dtype)
    gram[np.diag_indices_from(gram)] += reg
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0.0
    return weights.astype(np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("split", help="folder with train.tsv, validation.tsv and test.tsv")
    parser.add_argument("--reg", type=float, default=1000.0, help="lambda (default 1000, good for ML-1M)")
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--mask-validation", action="store_true")
    parser.add_argument("--save-scores", metavar="FILE", help="also write the scores as a .npy file")
    args = parser.parse_args()
    parts = read_split(args.split)
    train = parts["train"]

    start = time.perf_counter()
    weights = fit(train, args.reg, np.dtype(args.dtype))
    fitted = time.perf_counter()
    scores = np.ascontiguousarray(train @ weights, dtype=np.float32)
    scored = time.perf_counter()
    if args.save_scores:
        np.save(args.save_scores, scores)
    masked = train + parts["validation"] if args.mask_validation else train
    begun = time.perf_counter()
    found = measure(scores, masked, parts["test"])
    ended = time.perf_counter()

    print(f"fit\t{fitted - start:.3f} s\t{args.dtype}, lambda {args.reg:g}, {train.shape[1]} items")
    print(f"score\t{scored - fitted:.3f} s\t{train.shape[0]} users")
    print(f"measure\t{ended - begun:.3f} s")
    for name, value in found.items():
        print(f"{name}\t{value:.5f}")


if __name__ == "__main__":
    main()
