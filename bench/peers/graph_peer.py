"""Walks in numpy, skip-gram in gensim, k-means in scikit-learn, faiss and numpy, on random data as in bench/graph/graph_bench.cpp.

    /usr/bin/python3 bench/peers/graph_peer.py --threads 2 --seconds 2

What is not installed is named and left out. numpy walks all nodes abreast, which is its fastest form; numpy's k-means is
one product of matrices and an argmin, the shape of scikit-learn's own iteration.
"""
import environment

options = environment.arguments(__doc__, case="")

import json
import sys
import time

import numpy as np

USERS, ITEMS, EDGES, LENGTH = 29858, 40981, 810128, 40
rng = np.random.default_rng(1)
user = (rng.random(EDGES) ** 2 * USERS).astype(np.int64)
item = (rng.random(EDGES) ** 2 * ITEMS).astype(np.int64)
pairs = np.unique(user * ITEMS + item)
user, item = pairs // ITEMS, pairs % ITEMS + USERS
row, column = np.concatenate([user, item]), np.concatenate([item, user])
order = np.argsort(row, kind="stable")
neighbours = column[order].astype(np.int32)
offsets = np.zeros(USERS + ITEMS + 1, np.int64)
np.cumsum(np.bincount(row, minlength=USERS + ITEMS), out=offsets[1:])
starts = np.flatnonzero(np.diff(offsets))


def walk():
    walks = np.empty((len(starts), LENGTH), np.int32)
    walks[:, 0] = starts
    for step in range(1, LENGTH):
        at = walks[:, step - 1]
        first = offsets[at]
        walks[:, step] = neighbours[first + (rng.random(len(at)) * (offsets[at + 1] - first)).astype(np.int64)]
    return walks


def missing(name):
    print(f"{name} is not installed: not compared", file=sys.stderr)


def emit(case, side, ms, **more):
    print(json.dumps(dict({"case": case, "side": side, "threads": options.threads, "ms": ms}, **more)), flush=True)


def timed(call):
    call()
    times, end = [], time.perf_counter() + options.seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return sorted(times)[len(times) // 2]


if options.case in ("", "walks"):
    ms = timed(walk)
    emit("walks p = q = 1", "numpy", ms, steps_per_s=len(starts) * LENGTH / ms * 1e3)

if options.case in ("", "skip_gram"):
    try:
        from gensim.models import Word2Vec
    except ImportError:
        missing("gensim")
    else:
        sentences = [[str(node) for node in one] for one in walk().tolist()]
        model = Word2Vec(vector_size=64, window=5, sg=1, negative=5, min_count=0, sample=0, workers=options.threads)
        model.build_vocab(sentences)
        ms = timed(lambda: model.train(sentences, total_examples=len(sentences), epochs=1))
        emit("skip-gram", "gensim", ms, words_per_s=len(starts) * LENGTH / ms * 1e3)

if options.case in ("", "k_means"):
    points, clusters, width = 70000, 100, 64
    centre = rng.normal(size=(clusters, width))
    x = (centre[rng.integers(0, clusters, points)] + rng.normal(size=(points, width))).astype(np.float32)
    start = x[rng.choice(points, clusters, replace=False)].copy()

    def iteration():
        global nearest
        nearest = np.argmin((start * start).sum(1) - 2 * (x @ start.T), axis=1)
        by_cluster = np.argsort(nearest, kind="stable")
        counts = np.bincount(nearest, minlength=clusters)
        first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        return np.add.reduceat(x[by_cluster], first) / counts[:, None]

    emit("k-means, one iteration", "numpy", timed(iteration))
    try:
        from sklearn.cluster import KMeans, kmeans_plusplus
    except ImportError:
        missing("scikit-learn")
    else:
        start = kmeans_plusplus(x, clusters, random_state=1)[0]  # as ours
        for algorithm in ("lloyd", "elkan"):
            model = KMeans(clusters, init=start, n_init=1, max_iter=20, tol=0, algorithm=algorithm)
            ms = timed(lambda: model.fit(x)) / model.n_iter_
            emit("k-means, one iteration", f"scikit-learn {algorithm}", ms)
    try:
        import faiss
    except ImportError:
        missing("faiss")
    else:
        faiss.omp_set_num_threads(options.threads)
        model = faiss.Kmeans(width, clusters, niter=20, max_points_per_centroid=10**9, seed=1)
        emit("k-means, one iteration", "faiss", timed(lambda: model.train(x, init_centroids=start)) / 20)
