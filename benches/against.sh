#!/usr/bin/env bash
# Compares limpid with NumPy on one split, two threads each. Needs numpy and scipy; implicit ALS is
# compared if the package `implicit` is installed.
#
#   benches/against.sh PATH/TO/ml-1m
set -euo pipefail
data="${1:?say where MovieLens 1M is}"
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2
python="${PYTHON:-python3}"

cargo build --release --quiet -p limpid-cli -p limpid-benches
target="${CARGO_TARGET_DIR:-target}/release"
limpid="$target/limpid"
against="$target/against"
"$limpid" data split "$data" --split ratio:70/10/20@7 -o "$work/split" --quiet

echo "== load and split"
"$against" load "$data"

echo "== EASE, lambda 1000: NumPy (double precision)"
"$python" benches/peers/ease_numpy.py "$work/split" --reg 1000 --dtype float64 --save-scores "$work/scores.npy"
echo "== EASE, lambda 1000: limpid"
"$against" fit "$work/split" --model ease --set reg=1000

echo "== ndcg and recall at 5, 10, 20 of one score matrix: NumPy"
"$python" benches/peers/evaluate_numpy.py "$work/scores.npy" "$work/split"
echo "== the same: limpid"
"$against" measure "$work/scores.npy" "$work/split"

if "$python" -c 'import implicit' 2>/dev/null; then
  # The package uses its own threads and recommends a single BLAS thread.
  echo "== implicit ALS, 64 factors, 12 epochs, conjugate gradients: implicit"
  OPENBLAS_NUM_THREADS=1 "$python" benches/peers/ials_implicit.py "$work/split"
  echo "== the same: limpid"
  "$against" fit "$work/split" --model ials --runs 3
  echo "== exact solutions: implicit"
  OPENBLAS_NUM_THREADS=1 "$python" benches/peers/ials_implicit.py "$work/split" --exact
  echo "== the same: limpid"
  "$against" fit "$work/split" --model ials --set solver=cholesky --runs 3
fi

echo "== dense products in the shapes of training, and faer alone"
"$against" products

for model in ease ruleslim; do
  echo "== answers of a saved model: $model"
  "$limpid" train --model "$model" --data "$data" --split "$work/split" -o "$work/$model" --quiet
  "$against" answer "$work/$model"
done

echo "== probe over eigen (five resamples, bag, fillers, labels), and steered answers"
"$limpid" train --model eigen --data "$data" --split "$work/split" -o "$work/eigen" --quiet
time "$limpid" probe "$work/eigen" --set fresh=0 -o "$work/knobs" --threads 2
"$against" answer "$work/knobs"
"$against" answer "$work/knobs" --edit n0=2x --edit n1+0.3 --edit n2=off
