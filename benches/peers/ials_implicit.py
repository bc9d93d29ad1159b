"""Implicit ALS of the package `implicit`, on a split that limpid can read too: seconds and NDCG@20.

Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008, by the
conjugate-gradient solver of `implicit` (its default) or by its exact one. An event of `implicit` has
the confidence alpha, an event of limpid 1 + alpha, so its alpha is limpid's plus 1.

    python benches/peers/ials_implicit.py split/ --factors 64 --alpha 5 --reg 20 --epochs 12

`split/` holds train.tsv, validation.tsv and test.tsv (columns user and item; a header line).
Train items are masked; validation items are not. OMP_NUM_THREADS bounds the threads.
"""

import argparse
import os
import time

import numpy as np
from evaluate_numpy import measure
from implicit.cpu.als import AlternatingLeastSquares
from split_folder import read_split


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("split", help="folder with train.tsv, validation.tsv and test.tsv")
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--alpha", type=float, default=5.0)
    parser.add_argument("--reg", type=float, default=20.0)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--exact", action="store_true", help="Cholesky in place of conjugate gradients")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3, help="the fastest counts (default 3)")
    args = parser.parse_args()
    parts = read_split(args.split)
    train = parts["train"]
    threads = int(os.environ.get("OMP_NUM_THREADS", "0"))

    seconds, busy = [], []
    for _ in range(args.runs):
        model = AlternatingLeastSquares(
            factors=args.factors,
            alpha=args.alpha + 1.0,
            regularization=args.reg,
            iterations=args.epochs,
            use_cg=not args.exact,
            num_threads=threads,
            random_state=args.seed,
        )
        start, start_busy = time.perf_counter(), time.process_time()
        model.fit(train, show_progress=False)
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - start_busy)
    # Users are folded in exactly, as limpid does.
    model.user_factors = model.recalculate_user(np.arange(train.shape[0]), train)
    scores = model.user_factors @ model.item_factors.T
    found = measure(scores.astype(np.float32), train, parts["test"])

    print(f"fit\t{min(seconds):.3f} s\tbest of {args.runs}, {args.factors} factors, {args.epochs} epochs")
    print(f"cpu\t{min(busy):.3f} s")
    for name, value in found.items():
        print(f"{name}\t{value:.5f}")


if __name__ == "__main__":
    main()
