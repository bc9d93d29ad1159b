"""Golden values of ranking metrics: trec_eval's values for small random rankings.

Samples rankings without ties, computes every metric at several cutoffs with pytrec_eval, and writes the
scores, the truth and the values to a JSON file for the test `crates/eval/tests/golden.rs`.

    pip install pytrec_eval-terrier numpy
    python benches/peers/golden_metrics.py crates/eval/tests/golden.json
"""

import argparse
import json

import numpy as np
import pytrec_eval

CUTOFFS = [1, 3, 5, 10, 20]
# limpid's metric name -> trec_eval's name, which has the cutoff after an underscore.
NAMES = {"ndcg": "ndcg_cut", "recall": "recall", "precision": "P", "map": "map_cut", "hit": "success"}


def answers(scores, truth):
    """trec_eval's values of one ranking: {"ndcg@5": 0.3, ...}."""
    n = len(scores)
    run = {"u": {f"i{item:04}": float(scores[item]) for item in range(n)}}
    qrel = {"u": {f"i{item:04}": int(item in truth) for item in sorted(set(range(n)) | set(truth))}}
    cutoffs = ",".join(str(k) for k in CUTOFFS)
    measures = {f"{theirs}.{cutoffs}" for theirs in NAMES.values()}
    values = pytrec_eval.RelevanceEvaluator(qrel, measures).evaluate(run)["u"]
    found = {
        f"{ours}@{k}": values[f"{theirs}_{k}"] for ours, theirs in NAMES.items() for k in CUTOFFS
    }
    # trec_eval's reciprocal rank has no cutoff, so it gets only the head of the ranking.
    best = sorted(run["u"], key=run["u"].get, reverse=True)
    for k in CUTOFFS:
        head = {"u": {item: run["u"][item] for item in best[:k]}}
        rank = pytrec_eval.RelevanceEvaluator(qrel, {"recip_rank"}).evaluate(head)["u"]["recip_rank"]
        found[f"mrr@{k}"] = rank
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", help="the JSON file to write")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rankings", type=int, default=40)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    cases = []
    for _ in range(args.rankings):
        n = int(rng.integers(2, 60))
        # Whole numbers are the same in double and in single precision, and a permutation has no ties.
        scores = rng.permutation(n).tolist()
        n_truth = int(rng.integers(1, min(n, 25) + 1))
        truth = sorted(rng.choice(n, n_truth, replace=False).tolist())
        # Some held-out items are not candidates, as cold items are not for many models.
        truth += [n + extra for extra in range(int(rng.integers(0, 3)))]
        cases.append({"scores": scores, "truth": truth, "values": answers(scores, truth)})
    with open(args.output, "w", encoding="utf-8") as file:
        json.dump(cases, file, indent=None, separators=(",", ":"))
        file.write("\n")
    print(f"{len(cases)} rankings, {sum(len(c['values']) for c in cases)} values -> {args.output}")


if __name__ == "__main__":
    main()
