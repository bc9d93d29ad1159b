"""Seconds of an epoch, as all peers print them. Threads: OMP_NUM_THREADS, else 2."""

import os
import time

import torch

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


def report(name, epoch, epochs):
    """Prints the seconds of the fastest of some epochs; `epoch` runs one."""
    wall, cpu = [], []
    for _ in range(epochs):
        start, before = time.perf_counter(), time.process_time()
        epoch()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - before)
    line(name, min(wall), min(cpu))


def line(name, wall, cpu):
    """Prints the seconds of an epoch, wall-clock and CPU."""
    print(f"torch {name}\t{wall:.3f} s\tCPU {cpu:.3f} s", flush=True)
