"""LightGCN in PyTorch on the graph of bench/graph/lightgcn_bench.cpp: checked first, then timed.

    lightgcn_bench dump graph.safetensors
    /usr/bin/python3 bench/peers/lightgcn_peer.py --dump graph.safetensors --threads 2

The normalised adjacency is one sparse matrix of users and items (CSR, PyTorch's faster form; --form coo for the other),
its own transpose, so that the gradient is the same product.
"""
import environment

options = environment.arguments(__doc__, dump="graph.safetensors", form="csr", only_check=0)

import torch
import torch.nn.functional as F

import safetensors

torch.set_num_threads(options.threads)
torch.manual_seed(1)
USERS, ITEMS, LAYERS, DECAY = 29858, 40981, 3, 1e-4
data = {name: torch.from_numpy(array.copy()) for name, array in safetensors.read(options.dump).items()}
user, item = data["pairs"][:, 0].long(), data["pairs"][:, 1].long()
nodes = USERS + ITEMS
row, column = torch.cat([user, item + USERS]), torch.cat([item + USERS, user])
degree = torch.bincount(row, minlength=nodes).clamp(min=1).float()
values = (degree[row] * degree[column]).rsqrt()
matrix = torch.sparse_coo_tensor(torch.stack([row, column]), values, (nodes, nodes)).coalesce()
if options.form == "csr":
    matrix = matrix.to_sparse_csr()


class Propagate(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return torch.sparse.mm(matrix, x)

    @staticmethod
    def backward(context, gradient):
        return torch.sparse.mm(matrix, gradient.contiguous())


weights = torch.nn.Parameter(data["start"].clone())
adam = torch.optim.Adam([weights], lr=1e-3)


def final_vectors():
    layer = total = weights
    for _ in range(LAYERS):
        layer = Propagate.apply(layer)
        total = total + layer
    return total / (LAYERS + 1)


def step(triples):
    adam.zero_grad()
    u, liked, other = triples[:, 0], triples[:, 1] + USERS, triples[:, 2] + USERS
    vectors = final_vectors()
    x = vectors[u]
    loss = F.softplus((x * vectors[other]).sum(1) - (x * vectors[liked]).sum(1)).mean()
    squares = sum(weights[ids].pow(2).sum() for ids in (u, liked, other))
    loss = loss + DECAY * squares / (2 * len(triples))
    loss.backward()
    adam.step()
    return loss.item()


def train():
    batch = data["triples"].shape[0]
    drawn = torch.randint(0, len(user), (batch,))
    step(torch.stack([user[drawn], item[drawn], torch.randint(0, ITEMS, (batch,))], 1))


def propagate():
    with torch.no_grad():
        final_vectors()


def check():
    with torch.no_grad():
        off = (final_vectors() - data["final"]).abs().max().item()
    loss = step(data["triples"].long())
    moved = (weights.detach() - data["moved"]).abs()
    # Adam's first step divides every gradient by its own size: where that is rounding alone, the signs may differ.
    differ = (moved > 1e-4).float().mean().item()
    print(f"final vectors off by {off:.1e}, loss by {abs(loss - data['loss'].item()):.1e}, "
          f"{100 * differ:.3f} % of the weights moved otherwise")
    if off > 1e-5 or abs(loss - data["loss"].item()) > 1e-5 or differ > 0.002:
        raise SystemExit("the two sides do not compute the same")


check()
if not options.only_check:
    environment.report(options, "lightgcn propagate", propagate, form=options.form)
    environment.report(options, "lightgcn train", train, form=options.form)
