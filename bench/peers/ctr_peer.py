"""DeepFM on clicks in PyTorch, computing exactly what bench/click/deepfm_bench.cpp does: checked first, then timed.

    deepfm_bench dump click.safetensors
    /usr/bin/python3 bench/peers/ctr_peer.py --dump click.safetensors --threads 2

One table for all fields, one look-up a step; dense Adam, or SparseAdam on the tables with Adam on the rest.
"""
import environment

options = environment.arguments(__doc__, dump="click.safetensors", case="", only_check=0)

import torch
import torch.nn.functional as F

import safetensors

torch.set_num_threads(options.threads)
torch.manual_seed(1)
FIELDS, VALUES, WIDTH, BATCHES = 8, 12500, 16, 16
data = {name: torch.from_numpy(array.copy()) for name, array in safetensors.read(options.dump).items()}


class DeepFm(torch.nn.Module):
    """Field 0 is the item; the others follow in the order of the dumped table."""

    def __init__(self, sparse):
        super().__init__()
        rows = FIELDS * VALUES
        self.vectors = torch.nn.Embedding(rows, WIDTH, sparse=sparse)
        self.linear = torch.nn.Embedding(rows, 1, sparse=sparse)
        self.deep = torch.nn.Sequential(
            torch.nn.Linear(FIELDS * WIDTH, 64), torch.nn.ReLU(),
            torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
        weights = {name[8:]: value for name, value in data.items() if name.startswith("weights.")}
        items = weights["tables.items"]
        with torch.no_grad():
            self.vectors.weight.copy_(torch.cat([items[:, :WIDTH], weights["tables.fields.table"]]))
            self.linear.weight.copy_(torch.cat([items[:, WIDTH:], weights["tables.linear.0.table"]]))
            for i in range(3):
                self.deep[2 * i].weight.copy_(weights[f"deep.layers.{i}.weight"])
                self.deep[2 * i].bias.copy_(weights[f"deep.layers.{i}.bias"])
        assert sum(p.numel() for p in self.parameters()) == sum(w.numel() for w in weights.values())

    def forward(self, ids):
        v = self.vectors(ids)
        together = v.sum(1)
        pairs = 0.5 * (together * together - (v * v).sum(1)).sum(-1)
        return self.linear(ids).sum(1).squeeze(-1) + self.deep(v.flatten(1)).squeeze(-1) + pairs


class Split:
    """One request of many candidates with what items bring in computed before, as mwuf::RequestScorer does."""

    def __init__(self, net):
        with torch.inference_mode():
            first = net.deep[0]
            self.net, self.items = net, net.vectors.weight[:VALUES].contiguous()
            self.hidden = self.items @ first.weight[:, :WIDTH].T
            self.linear = net.linear.weight[:VALUES, 0].contiguous()
            self.user_weight, self.rest = first.weight[:, WIDTH:].T.contiguous(), net.deep[1:]

    def __call__(self, others, candidates):
        """others (FIELDS - 1): rows of the user's fields; candidates (n) -> probabilities (n)."""
        v = self.net.vectors(others)
        user = torch.addmv(self.net.deep[0].bias, self.user_weight.T, v.flatten())
        together = v.sum(0)
        constant = 0.5 * (together.dot(together) - (v * v).sum()) + self.net.linear(others).sum()
        z = self.rest(self.hidden[candidates] + user).squeeze(-1)
        return torch.sigmoid(z + self.items[candidates] @ together + self.linear[candidates] + constant)


def optimizers(net, sparse):
    if not sparse:
        return [torch.optim.Adam(net.parameters(), lr=1e-3)]
    tables = [net.vectors.weight, net.linear.weight]
    return [torch.optim.SparseAdam(tables, lr=1e-3), torch.optim.Adam(net.deep.parameters(), lr=1e-3)]


def train(net, steps, ids, labels):
    for optimizer in steps:
        optimizer.zero_grad()
    loss = F.binary_cross_entropy_with_logits(net(ids), labels)
    loss.backward()
    for optimizer in steps:
        optimizer.step()
    return loss


def check():
    columns = [data[f"input.ids.{f}"].long() for f in range(FIELDS)]
    ids = torch.stack([columns[-1]] + columns[:-1], 1) + torch.arange(FIELDS) * VALUES
    with torch.inference_mode():
        ours, theirs = data["output.scores"], torch.sigmoid(DeepFm(False)(ids))
        together = ids[:1].repeat(len(ids), 1)
        together[:, 0] = ids[:, 0]
        whole = torch.sigmoid(DeepFm(False)(together))
        split = Split(DeepFm(False))(ids[0, 1:], ids[:, 0])
    apart = max((ours - theirs).abs().max().item(), (data["output.request"] - whole).abs().max().item(),
                (split - whole).abs().max().item())
    assert ours.std() > 1e-2, "the scores are all alike: nothing would be checked"
    worst = 0.0
    for sparse, name in ((False, "output.losses"), (True, "output.sparse_losses")):
        net = DeepFm(sparse)
        steps = optimizers(net, sparse)
        losses = [train(net, steps, ids, data["input.labels"]).item() for _ in data[name]]
        worst = max([worst] + [abs(a - b) / b for a, b in zip(data[name].tolist(), losses)])
        assert losses[-1] < 0.98 * losses[0], "nothing was learnt: the steps would not be checked"
    print(f'{{"check": {apart:.3g}, "check_losses": {worst:.3g}}}', flush=True)
    assert apart < 1e-5 and worst < 1e-4, "the two sides compute different things"


def clicks(rows):
    """Small ids are frequent, as in deepfm_bench."""
    offsets = torch.arange(FIELDS) * VALUES
    return [((torch.rand(rows, FIELDS) ** 3 * VALUES).long() + offsets, torch.rand(rows).round()) for _ in range(BATCHES)]


def measure():
    turn = 0

    def following(batches):
        nonlocal turn
        turn = (turn + 1) % BATCHES
        return batches[turn]

    for rows in (2048, 128):
        batches = clicks(rows)
        for kind in ("dense", "sparse"):
            case = f"deepfm train {kind} batch {rows}"
            if options.case not in case + "$":
                continue
            net = DeepFm(kind == "sparse")
            steps = optimizers(net, kind == "sparse")
            environment.report(options, case, lambda: train(net, steps, *following(batches)))
    net = DeepFm(False)
    for rows in (2048, 500, 1):
        case = f"deepfm score {rows}"
        if options.case not in case + "$":
            continue
        batches = clicks(rows)
        with torch.inference_mode():
            environment.report(options, case, lambda: torch.sigmoid(net(following(batches)[0])))
    split = Split(net)
    for rows in (500, 1):
        case = f"deepfm request {rows}"
        if options.case not in case + "$":
            continue
        batches = [(ids[0, 1:], ids[:, 0]) for ids, _ in clicks(rows)]
        with torch.inference_mode():
            environment.report(options, case, lambda: split(*following(batches)))


check()
if not options.only_check:
    measure()
