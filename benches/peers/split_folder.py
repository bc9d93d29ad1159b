"""Reads a folder with a split, as `limpid data split` writes it, into sparse matrices."""

import os

import numpy as np
import scipy.sparse as sp

PARTS = ("train", "validation", "test")


def _pairs(path):
    """Columns user and item of a tab-separated file with a header line, as text."""
    with open(path, encoding="utf-8") as file:
        header = file.readline().rstrip("\r\n").split("\t")
        try:
            user, item = header.index("user"), header.index("item")
        except ValueError:
            raise SystemExit(f"{path}: the header line must name the columns user and item, not {header}")
        rows = [line.rstrip("\r\n").split("\t") for line in file]
    return [row[user] for row in rows], [row[item] for row in rows]


def _ids(folder, name, found):
    """The ids in row order: from a list if the folder has one, otherwise sorted."""
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return sorted(found)
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\r\n") for line in file]


def read_split(folder):
    """{"train": csr, "validation": csr, "test": csr}, each (users, items) of ones; a missing
    validation file gives an empty matrix."""
    read = {}
    for part in PARTS:
        path = os.path.join(folder, f"{part}.tsv")
        read[part] = _pairs(path) if os.path.exists(path) or part != "validation" else ([], [])
    users = _ids(folder, "users.txt", {u for us, _ in read.values() for u in us})
    items = _ids(folder, "items.txt", {i for _, its in read.values() for i in its})
    row_of = {user: row for row, user in enumerate(users)}
    column_of = {item: column for column, item in enumerate(items)}
    matrices = {}
    for part, (us, its) in read.items():
        rows = np.array([row_of[u] for u in us], dtype=np.int64)
        columns = np.array([column_of[i] for i in its], dtype=np.int64)
        matrix = sp.csr_matrix(
            (np.ones(len(rows), np.float32), (rows, columns)), shape=(len(users), len(items))
        )
        matrix.sum_duplicates()
        matrix.data[:] = 1.0
        matrices[part] = matrix
    return matrices
