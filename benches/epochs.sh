#!/usr/bin/env bash
# CPU seconds of an epoch of the base models and of LR-Recsys, limpid and PyTorch, one thread each. CPU seconds are
# compared, because they say more than wall-clock time on a machine with other load. An epoch of limpid is the
# difference between fits of more and of fewer epochs, by their number; PyTorch times its own.
#
#   PYTHON=venv/bin/python benches/epochs.sh PATH/TO/amazon-grocery [MODEL…]
#   PYTHON=venv/bin/python benches/epochs.sh PATH/TO/amazon-reviews-small lr-recsys lr-recsys-pretraining
#
#   PYTHON=venv/bin/python benches/epochs.sh PATH/TO/amazon-grocery recsae knots
#   PYTHON=venv/bin/python benches/epochs.sh PATH/TO/tmall-mb mbgcn cnre
#
# Epochs of LR-Recsys are short, so more of them are run, but the rest of its fit is shortened: hashed text vectors and
# few folds do not change the work of an epoch. Its data must have texts, so it is run only if it is named, as are
# `recsae` and `knots`, TopK autoencoders over representations of users by eigen. `mbgcn` and `cnre` are of several
# behaviors.
set -euo pipefail
data="${1:?say where the data are, such as Amazon Grocery}"
shift
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1
python="${PYTHON:-python3}"

cargo build --release --quiet --workspace --exclude limpid-fuzz
limpid="${CARGO_TARGET_DIR:-target}/release/limpid"
# The split that the peers of models of one behavior read.
split() {
  [ -d "$work/split" ] \
    || "$limpid" data split "$data" --split leave-one-out -o "$work/split" --quiet > /dev/null
}

# The CPU seconds of a fit of a model with further settings.
cpu() {
  local TIMEFORMAT='%U %S'
  { time "$limpid" train --threads 1 --quiet --data "$data" --split "$kept" --model "$1" "${@:2}" \
    -o "$work/fit" > /dev/null 2>&1; } 2>&1 | awk '{print $1 + $2}'
}

# The same of a dictionary over a base, whose training stops after a number of epochs.
cpu_of_probe() {
  local TIMEFORMAT='%U %S'
  { time "$limpid" probe "$work/base" --threads 1 --quiet --dictionary topk --set fresh=0 --set patience=0 \
    --set stop_by=reconstruction --set instances=users --set width=1024 "$@" -o "$work/knobs" \
    > /dev/null 2>&1; } 2>&1 | awk '{print $1 + $2}'
}

# Width of the base, active units, inputs per step, and further settings of an autoencoder.
autoencoder() {
  local size=$1 k=$2 batch=$3 users one more torch
  rm -rf "$work/base"
  "$limpid" train --threads 1 --quiet --data "$data" --split none --model eigen --set embedding_size="$size" \
    -o "$work/base" > /dev/null
  users=$(cut -f 1 "$work/split/train.tsv" | tail -n +2 | sort -u | wc -l)
  one=$(cpu_of_probe "${@:4}" --set epochs=2)
  more=$(cpu_of_probe "${@:4}" --set epochs=42)
  # Every tenth user is held out.
  torch=$("$python" benches/peers/sae_torch.py $((users - users / 10)) "$size" 1024 "$k" "$batch" \
    | awk '/^torch/ {print $(NF - 1)}')
  awk -v m="$model" -v a="$one" -v b="$more" -v t="$torch" \
    'BEGIN { e = (b - a) / 40; printf "| %s | %.3g | %.3g | %.1f |\n", m, t, e, t / e }'
}

models=("$@")
[ ${#models[@]} -gt 0 ] || models=(elsa bprmf lightgcn sasrec timirec)
printf '| epoch | PyTorch | limpid | ratio |\n|---|---|---|---|\n'
for model in "${models[@]}"; do
  name=$model peer=bases runs=1 counted=epochs many=3 kept=none settings=()
  case $model in
    recsae | knots) split ;;&
    recsae) autoencoder 64 8 32 --set preset=recsae; continue ;;
    knots) autoencoder 128 16 1024 --set preset=knots --set l1=0; continue ;;
    mbgcn | cnre) peer=$model kept=given settings=(--set patience=0) ;;
    elsa) settings=(--set embedding_size=256) ;;
    sasrec | timirec) settings=(--set loss=bpr) ;;
    lr-recsys*)
      name=lr-recsys peer=lr_recsys runs=5 many=11
      settings=(--set task=ratings --set embedding=hashed --set folds=2)
      ;;
  esac
  case $model in
    lr-recsys-pretraining) counted=pretraining many=51 settings+=(--set epochs=1) ;;
    lr-recsys*) settings+=(--set pretraining=0) ;;
  esac
  one=$(cpu "$name" --set "$counted=1" "${settings[@]}")
  more=$(cpu "$name" --set "$counted=$many" "${settings[@]}")
  case $peer in
    mbgcn | cnre) torch=("$data") ;;
    *) split; torch=("$work/split" "$model" --epochs "$runs") ;;
  esac
  torch=$("$python" "benches/peers/${peer}_torch.py" "${torch[@]}" | awk '/^torch/ {print $(NF - 1)}')
  awk -v m="$model" -v a="$one" -v b="$more" -v n="$((many - 1))" -v t="$torch" \
    'BEGIN { e = (b - a) / n; printf "| %s | %.3g | %.3g | %.1f |\n", m, t, e, t / e }'
done
