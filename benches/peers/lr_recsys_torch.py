"""Epochs of LR-Recsys (task=ratings) in PyTorch, with the mathematics of `crates/models/src/text/lr_recsys`.

    python benches/peers/lr_recsys_torch.py split/ [FORM ...] [--parts train] [--epochs 5]
                                                                      threads: OMP_NUM_THREADS, else 2

`split/` is written by `limpid data split`; by default all three parts are trained on, as `limpid train --split none`
does. Forms:

    lr-recsys              the joint training, Adam on whole tables
    lr-recsys-rows         the same with SparseAdam on the tables of items: only the rows that a step reads are
                           updated, with weight decay added to their gradients, as limpid does
    lr-recsys-pretraining  the autoencoder of texts alone

Equal are the default settings: two text vectors (32 numbers, length one) per pair of user and item, the shared
autoencoder (code 32, tanh, cosine and squared error, in the joint loss with weight 0.1), sums over the other events of
the user (d 16), attention over the two texts, the MLP (64, 32, 16 units, no dropout), biases and dot product beside it,
squared error of ratings, batches of 128, Adam with learning rate 0.002 and, in the joint training, weight decay of
1e-5 in the gradients of matrices and tables, not of vectors. Histories are those of the split. With the weights and
texts of a model trained by limpid when layers read biases too, `Network.score` gave the validation RMSE that limpid
printed (0.8536).

Not equal: texts and ratings are random here, and so are the first weights: only seconds can be compared. What is
constant over epochs (histories without the pair, biases, context, text vectors) is computed before the clock starts,
which is to the advantage of PyTorch; limpid computes it in every step. Users are without the pair here, and without its
fold in limpid. Adam on whole tables also moves rows that a step does not read.
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from split_folder import PARTS, read_split
from timing import report

generator = torch.Generator().manual_seed(1)
WIDTH, CODE, D, HIDDEN, CONTEXT = 32, 32, 16, 64, 2
BATCH, RATE, DECAY, DROPOUT, BIAS_REG = 128, 2e-3, 1e-5, 0.0, 8.0
SQUARED, BESIDE = 0.1, 0.1


class Pairs:
    """The inputs of the network for all training pairs, from the distinct events of users as sparse rows of ratings."""

    def __init__(self, ratings):
        mean = float(ratings.data.mean())
        counts = np.bincount(ratings.indices, minlength=ratings.shape[1]).astype(np.float32)
        sums = np.bincount(ratings.indices, ratings.data - mean, minlength=ratings.shape[1])
        whole = sums / (counts + BIAS_REG)
        events, present, rests, lengths, items, context, skip = [], [], [], [], [], [], []
        for start, end in zip(ratings.indptr, ratings.indptr[1:]):
            row, values = ratings.indices[start:end], ratings.data[start:end]
            left = values - mean - whole[row]
            for at, item in enumerate(row):
                rest = np.delete(left, at)
                bias = rest.sum() / (len(rest) + BIAS_REG)
                n = counts[item] - 1
                of_item = (sums[item] - (values[at] - mean)) / (n + BIAS_REG)
                scale = max(len(rest), 1) ** -0.5
                events.append(np.delete(row, at))
                present.append(np.full(len(rest), scale))
                rests.append(scale * (rest - bias))
                lengths.append(len(rest))
                items.append(item)
                context.append([np.log1p(len(rest)) / 4, np.log1p(n) / 4])
                skip.append(mean + bias + of_item)
        number = lambda x: torch.tensor(np.asarray(x, dtype=np.float32))
        index = lambda x: torch.tensor(np.asarray(x, dtype=np.int64))
        self.n_items = ratings.shape[1]
        self.events, self.lengths, self.items = index(np.concatenate(events)), index(lengths), index(items)
        self.present, self.rests = number(np.concatenate(present)), number(np.concatenate(rests))
        self.context, self.skip, self.ratings = number(context), number(skip), number(ratings.data)
        texts = torch.randn(len(items), 2, WIDTH, generator=generator)
        self.texts = F.normalize(texts, dim=2)  # for and against

    def __len__(self):
        return len(self.items)

    def ends(self):
        return F.pad(self.lengths.cumsum(0), (1, 0))

    def ordered(self, order):
        """The same pairs in another order."""
        other = object.__new__(Pairs)
        lengths = self.lengths[order]
        other.lengths = lengths
        shift = self.ends()[order] - other.ends()[:-1]
        events = torch.repeat_interleave(shift, lengths) + torch.arange(len(self.events))
        for name in ("events", "present", "rests"):
            setattr(other, name, getattr(self, name)[events])
        for name in ("items", "context", "skip", "ratings", "texts"):
            setattr(other, name, getattr(self, name)[order])
        return other

    def batches(self):
        """Batches of consecutive pairs: events with their offsets, and the other inputs."""
        ends = self.ends()
        marks = ends[torch.arange(0, len(self) + BATCH, BATCH).clamp(max=len(self))].tolist()
        for at, first, last in zip(range(0, len(self), BATCH), marks, marks[1:]):
            own = slice(at, at + BATCH)
            offsets = ends[at : min(at + BATCH, len(self))] - first
            bags = [x[first:last] for x in (self.events, self.present, self.rests)]
            yield (offsets, *bags, *(x[own] for x in (self.items, self.context, self.skip, self.texts, self.ratings)))


def weight(*shape, deviation=None):
    """A weight of Glorot and Bengio (2010), or with a given deviation; vectors are zeros."""
    if deviation is None:
        deviation = (2 / sum(shape)) ** 0.5 if len(shape) > 1 else 0.0
    return (torch.randn(*shape, generator=generator) * deviation).requires_grad_()


def layer(inputs, outputs, deviation=None):
    return weight(inputs, outputs, deviation=deviation), weight(outputs)


def linear(x, of):
    return torch.addmm(of[1], x, of[0])


class Autoencoder:
    def __init__(self):
        self.encoder, self.decoder = layer(WIDTH, CODE), layer(CODE, WIDTH)
        self.weights = [*self.encoder, *self.decoder]

    def encode(self, texts):
        return torch.tanh(linear(texts, self.encoder))

    def loss(self, texts, codes):
        """Without the constant 1 − of the paper, and with texts of length one."""
        decoded = linear(codes, self.decoder)
        cosine = (F.normalize(decoded, dim=1) * texts).sum(1).mean()
        return SQUARED * F.mse_loss(decoded, texts) - cosine


class Network:
    def __init__(self, n_items, sparse=False):
        self.sparse = sparse
        self.tables = [weight(n_items, D, deviation=0.05) for _ in range(3)]  # taste, opinion, items
        self.autoencoder = Autoencoder()
        self.attend = [layer(2 * D, D), layer(D, 2)]
        sizes = [3 * D + CONTEXT + 2 * CODE, HIDDEN, HIDDEN // 2, HIDDEN // 4]
        self.mlp = [layer(*of) for of in zip(sizes, sizes[1:])] + [layer(HIDDEN // 4, 1, deviation=0.0)]
        self.weights = [*self.autoencoder.weights, *sum(self.attend + self.mlp, ())]

    def score(self, offsets, events, present, rests, items, context, skip, texts):
        """The scores of pairs, their texts, first all for and then all against, and the codes of those."""
        taste, opinion, table = self.tables
        bag = lambda of, values: F.embedding_bag(
            events, of, offsets, mode="sum", per_sample_weights=values, sparse=self.sparse
        )
        user = bag(taste, present) + bag(opinion, rests)
        item = F.embedding(items, table, sparse=self.sparse)
        n = len(items)
        texts = texts.transpose(0, 1).reshape(2 * n, WIDTH)
        codes = self.autoencoder.encode(texts)
        both = torch.cat([user, item], 1)
        product = user * item
        attention = linear(torch.tanh(linear(both, self.attend[0])), self.attend[1]).softmax(1)
        weighted = [codes[:n] * attention[:, :1], codes[n:] * attention[:, 1:]]
        x = torch.cat([both, product, context, *weighted], 1)
        for at, of in enumerate(self.mlp[:3]):
            x = torch.relu(linear(x, of))
            if DROPOUT > 0 and at < 2:
                x = F.dropout(x, DROPOUT)
        score = linear(x, self.mlp[3])[:, 0] + product.sum(1) + skip
        return score, texts, codes


def adam_of(weights):
    """Adam with weight decay on matrices, not on biases."""
    groups = [
        {"params": [w for w in weights if w.dim() > 1], "weight_decay": DECAY},
        {"params": [w for w in weights if w.dim() == 1], "weight_decay": 0.0},
    ]
    return torch.optim.Adam(groups, lr=RATE, fused=True)


def decay_rows(table):
    """Weight decay in the rows of a sparse gradient."""
    gradient = table.grad.coalesce()
    rows = gradient.indices()
    values = gradient.values() + DECAY * table.detach()[rows[0]]
    table.grad = torch.sparse_coo_tensor(rows, values, table.shape, is_coalesced=True, check_invariants=False)


def joint(pairs, sparse=False):
    network = Network(pairs.n_items, sparse)
    tables = network.tables
    optimizers = [adam_of(network.weights + ([] if sparse else tables))]
    if sparse:
        optimizers.append(torch.optim.SparseAdam(tables, lr=RATE))

    def epoch():
        for *inputs, ratings in pairs.ordered(torch.randperm(len(pairs), generator=generator)).batches():
            score, texts, codes = network.score(*inputs)
            loss = F.mse_loss(score, ratings) + BESIDE * network.autoencoder.loss(texts, codes)
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            for table in tables if sparse else []:
                decay_rows(table)
            for optimizer in optimizers:
                optimizer.step()

    return epoch


def pretraining(pairs):
    autoencoder = Autoencoder()
    adam = torch.optim.Adam(autoencoder.weights, lr=RATE, fused=True)
    all_texts = pairs.texts.reshape(-1, WIDTH)

    def epoch():
        for at in torch.randperm(len(all_texts), generator=generator).split(BATCH):
            texts = all_texts[at]
            loss = autoencoder.loss(texts, autoencoder.encode(texts))
            adam.zero_grad()
            loss.backward()
            adam.step()

    return epoch


FORMS = {
    "lr-recsys": joint,
    "lr-recsys-rows": lambda pairs: joint(pairs, sparse=True),
    "lr-recsys-pretraining": pretraining,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("split")
    parser.add_argument("forms", nargs="*", default=list(FORMS))
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--epochs", type=int, default=5, help="the fastest counts")
    args = parser.parse_args()
    split = read_split(args.split)
    ratings = sum(split[part] for part in args.parts).tocsr()
    ratings.sort_indices()
    ratings.data = torch.randint(1, 6, (ratings.nnz,), generator=generator).float().numpy()
    pairs = Pairs(ratings)
    users, items = ratings.shape
    print(f"{users} users, {items} items, {len(pairs)} pairs", flush=True)
    for name in args.forms:
        report(name, FORMS[name](pairs), args.epochs)


if __name__ == "__main__":
    main()
