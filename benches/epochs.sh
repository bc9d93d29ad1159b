#!/usr/bin/env bash
# CPU seconds of an epoch of the base models, limpid and PyTorch, one thread each. CPU seconds are compared, because
# they say more than wall-clock time on a machine with other load. An epoch of limpid is half of the difference between
# three epochs and one; PyTorch times its own.
#
#   PYTHON=venv/bin/python benches/epochs.sh PATH/TO/amazon-grocery [MODEL…]
set -euo pipefail
data="${1:?say where Amazon Grocery is}"
shift
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1
python="${PYTHON:-python3}"

cargo build --release --quiet --workspace
limpid="${CARGO_TARGET_DIR:-target}/release/limpid"
"$limpid" data split "$data" --split leave-one-out -o "$work/split" --quiet

# The CPU seconds of a fit of a model with a number of epochs and further settings.
cpu() {
  local TIMEFORMAT='%U %S'
  { time "$limpid" train --threads 1 --quiet --data "$data" --split none --model "$1" --set epochs="$2" "${@:3}" \
    -o "$work/$1-$2" > /dev/null 2>&1; } 2>&1 | awk '{print $1 + $2}'
}

models=("$@")
[ ${#models[@]} -gt 0 ] || models=(elsa bprmf lightgcn sasrec timirec)
printf '| epoch | PyTorch | limpid | ratio |\n|---|---|---|---|\n'
for model in "${models[@]}"; do
  case $model in
    elsa) settings=(--set embedding_size=256) ;;
    sasrec | timirec) settings=(--set loss=bpr) ;;
    *) settings=() ;;
  esac
  one=$(cpu "$model" 1 "${settings[@]}")
  three=$(cpu "$model" 3 "${settings[@]}")
  torch=$("$python" benches/peers/bases_torch.py "$work/split" "$model" --epochs 1 | awk '/CPU/ {print $(NF - 1)}')
  awk -v m="$model" -v a="$one" -v b="$three" -v t="$torch" \
    'BEGIN { e = (b - a) / 2; printf "| %s | %.2f | %.2f | %.1f |\n", m, t, e, t / e }'
done
