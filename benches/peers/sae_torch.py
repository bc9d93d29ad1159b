"""CPU seconds of an epoch of a TopK sparse autoencoder, in PyTorch: the mathematics of `limpid probe --dictionary topk`.

    python benches/peers/sae_torch.py ROWS WIDTH UNITS K BATCH [--epochs N]

Inputs are random: only time is compared. A step has the encoder with its shift, the k largest of each row, the decoder,
the loss relative to the variance of the batch, AuxK over dead units (those without a value above 0 for an epoch, and
10,000 inputs), the projection of the gradient of the decoder rows, clipping to norm 1, Adam, and rows of length 1.
Dense products, as in the authors' code. An epoch ends with the reconstruction of a ninth more rows, which is what limpid stops
by. Threads: OMP_NUM_THREADS.
"""

import argparse

import torch
from timing import report

DEAD_AFTER = 10_000
AUX = 1 / 32


def main():
    parser = argparse.ArgumentParser(description="Epochs of a TopK autoencoder")
    for name in ("rows", "width", "units", "k", "batch"):
        parser.add_argument(name, type=int)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(1)
    x_all = torch.randn(args.rows, args.width)
    held_out = torch.randn(args.rows // 9, args.width)
    encoder = torch.nn.Linear(args.width, args.units)
    decoder = torch.nn.Parameter(torch.nn.functional.normalize(encoder.weight.detach().clone(), dim=1))
    shift = torch.nn.Parameter(torch.zeros(args.width))
    weights = [*encoder.parameters(), decoder, shift]
    adam = torch.optim.Adam(weights, lr=5e-5)
    idle = torch.zeros(args.units)
    after = max(DEAD_AFTER, args.rows)

    def reconstruct(x):
        a = encoder(x - shift)
        values, at = a.topk(args.k, dim=1)
        values = values.relu()
        z = torch.zeros_like(a).scatter(1, at, values)
        return a, z, z @ decoder + shift

    def step(x):
        a, z, out = reconstruct(x)
        spread = ((x - x.mean(0)) ** 2).sum()
        loss = ((out - x) ** 2).sum() / spread
        dead = idle > after
        n_dead = int(dead.sum())
        if n_dead:
            most = min(max(args.width // 2, 1), n_dead)
            hidden, where = a.masked_fill(~dead, -1e9).topk(most, dim=1)
            revived = torch.zeros_like(a).scatter(1, where, hidden.relu()) @ decoder
            left = (x - out).detach()
            loss = loss + AUX * ((revived - left) ** 2).sum() / ((left - left.mean(0)) ** 2).sum()
        adam.zero_grad()
        loss.backward()
        with torch.no_grad():
            g = decoder.grad
            g -= (g * decoder).sum(1, keepdim=True) * decoder
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        adam.step()
        with torch.no_grad():
            decoder.div_(decoder.norm(dim=1, keepdim=True))
            active = (z > 0).any(0)
            idle.add_(len(x)).masked_fill_(active, 0)

    def epoch():
        order = torch.randperm(args.rows)
        for start in range(0, args.rows, args.batch):
            step(x_all[order[start : start + args.batch]])
        with torch.no_grad():
            for x in held_out.split(1024):
                ((reconstruct(x)[2] - x) ** 2).sum()

    report("sae", epoch, args.epochs)


if __name__ == "__main__":
    main()
