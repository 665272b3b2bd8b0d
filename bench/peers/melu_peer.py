"""MeLU in PyTorch at its published size, computing exactly what examples/hyperrs does: checked first, then timed.

    melu_bench dump start.safetensors
    /usr/bin/python3 bench/peers/melu_peer.py --dump start.safetensors --threads 2

Two forms: `batched`, all users of a meta-step together with one tower each, and `sequential`, one user after another as
the published program does it. `--adam`: torch.optim.Adam tensor by tensor (`torch`) or over lists (`foreach`).
"""
import environment

options = environment.arguments(__doc__, dump="start.safetensors", case="", only_check=0, adam="foreach")

import torch
import torch.nn.functional as F

import safetensors

torch.set_num_threads(options.threads)
USERS, ROWS, WIDTH, RATE, INNER_RATE = 32, 10, 32, 1e-3, 0.01
data = {name: torch.from_numpy(array.copy()) for name, array in safetensors.read(options.dump).items()}


class Bags:
    """Values of the fields of a list of entities, `each` entities a user."""

    def __init__(self, name, each):
        self.each, self.made = each, {}
        self.fields = [(data[f"{name}.{f}.ids"].long(), data[f"{name}.{f}.offsets"].long()) for f in range(4)]

    def of(self, begin, users):
        if (begin, users) not in self.made:
            first, last = begin * self.each, (begin + users) * self.each
            self.made[begin, users] = [(ids[o[first] : o[last]], o[first:last] - o[first]) for ids, o in self.fields]
        return self.made[begin, users]


def embed(tables, bags):
    """(entities, 4 * 32): a row where every entity has one value, else the mean of its rows."""
    rows = [F.embedding(ids, table) if len(ids) == len(offsets) else F.embedding_bag(ids, table, offsets, mode="mean")
            for table, (ids, offsets) in zip(tables, bags)]
    return torch.cat(rows, 1)


class Trainer:
    def __init__(self, order):
        self.exact = order == "exact"
        get = lambda name: data["start." + name].clone().requires_grad_()
        self.items = [get(f"item_fields.{f}.table") for f in range(4)]
        self.people = [get(f"user_fields.{f}.table") for f in range(4)]
        self.tower = [get(f"tower.layers.{i}.{part}") for i in range(3) for part in ("weight", "bias")]
        self.weights = self.items + self.people + self.tower
        self.adam = torch.optim.Adam(self.weights, lr=RATE, foreach=options.adam == "foreach")
        self.user, self.support, self.query = Bags("user", 1), Bags("support", ROWS), Bags("query", ROWS)
        self.labels = [data[f"{part}.labels"].view(-1, ROWS) for part in ("support", "query")]

    def features(self, at, users, part):
        """(users, items, 256)"""
        items = embed(self.items, part.of(at, users)).view(users, -1, 4 * WIDTH)
        people = embed(self.people, self.user.of(at, users)).view(users, 1, -1)
        return torch.cat([items, people.expand(-1, items.shape[1], -1)], 2)

    @staticmethod
    def score(tower, x):
        """x (users, items, 256), a tower a user: (users, out, in), (users, out)"""
        for i in (0, 2, 4):
            x = torch.baddbmm(tower[i + 1].unsqueeze(1), x, tower[i].transpose(1, 2))
            x = F.relu(x) if i < 4 else x
        return x.squeeze(2)

    @staticmethod
    def score_one(tower, x):
        """x (items, 256) and one plain tower"""
        for i in (0, 2, 4):
            x = F.linear(x, tower[i], tower[i + 1])
            x = F.relu(x) if i < 4 else x
        return x.squeeze(1)

    def moved(self, score, tower, x, labels):
        if not self.exact:
            still = [w.detach().requires_grad_() for w in tower]
            g = torch.autograd.grad(((score(still, x.detach()) - labels) ** 2).sum() / ROWS, still)
        else:
            g = torch.autograd.grad(((score(tower, x) - labels) ** 2).sum() / ROWS, tower, create_graph=True)
        return [w - INNER_RATE * d for w, d in zip(tower, g)]

    def batched(self, batch):
        self.adam.zero_grad(set_to_none=True)
        at = batch * USERS
        tower = [w.unsqueeze(0).expand(USERS, *w.shape) for w in self.tower]
        seen, asked = (labels[at : at + USERS] for labels in self.labels)
        moved = self.moved(self.score, tower, self.features(at, USERS, self.support), seen)
        loss = ((self.score(moved, self.features(at, USERS, self.query)) - asked) ** 2).mean()
        loss.backward()
        self.adam.step()
        return loss

    def sequential(self, batch):
        self.adam.zero_grad(set_to_none=True)
        total = 0.0
        for at in range(batch * USERS, (batch + 1) * USERS):
            moved = self.moved(self.score_one, self.tower, self.features(at, 1, self.support)[0], self.labels[0][at])
            asked = self.score_one(moved, self.features(at, 1, self.query)[0])
            loss = ((asked - self.labels[1][at]) ** 2).mean() / USERS
            loss.backward()
            total += loss.item()
        self.adam.step()
        return torch.tensor(total)

    def adapt(self, candidates):
        with torch.no_grad():
            x = self.features(0, 1, self.support)[0]
        tower = [w.detach().requires_grad_() for w in self.tower]
        g = torch.autograd.grad(((self.score_one(tower, x) - self.labels[0][0]) ** 2).mean(), tower)
        with torch.no_grad():
            moved = [w - INNER_RATE * d for w, d in zip(tower, g)]
            return self.score_one(moved, self.features(0, 1, candidates)[0])


def check():
    ours, theirs = data["scores"], Trainer("first").adapt(Bags("candidates", 100))
    apart = ((ours - theirs).abs().max() / ours.std()).item()
    print(f'{{"check": "scores of a new user", "apart_in_deviations": {apart:.3g}}}', flush=True)
    assert apart < 1e-2, "the scorers differ, or the scores are all alike and check nothing"
    names = [f"{side}_fields.{f}.table" for side in ("item", "user") for f in range(4)]
    names += [f"tower.layers.{i}.{part}" for i in range(3) for part in ("weight", "bias")]
    for order in ("first", "exact"):
        for form in ("batched", "sequential"):
            trainer = Trainer(order)
            losses = [getattr(trainer, form)(batch).item() for batch in range(3)]
            apart = max(abs(a / b - 1) for a, b in zip(losses, data["losses." + order].tolist()))
            # How far three steps went apart, as a share of how far they went.
            steps = max(((w - data[f"{order}.{name}"]).norm() / (data[f"{order}.{name}"] - data[f"start.{name}"]).norm()).item()
                        for name, w in zip(names, trainer.weights))
            print(f'{{"check": "{form} {order}", "losses_apart": {apart:.3g}, "steps_apart": {steps:.3g}}}', flush=True)
            assert apart < 1e-5, f"the losses differ: {losses}"
            assert steps < 2e-2, "the steps differ"


def measure():
    wanted = lambda case: options.case in ("", case)
    for order in ("first order", "exact"):
        for form in ("batched", "sequential"):
            case = f"melu {order}, {form}"
            if wanted(case):
                trainer, turn = Trainer(order.split()[0]), iter(range(1 << 30))
                environment.report(options, case, lambda: getattr(trainer, form)(next(turn) % 8), adam=options.adam)
    if wanted("melu adapt"):
        trainer, candidates = Trainer("first"), Bags("candidates", 100)
        environment.report(options, "melu adapt", lambda: trainer.adapt(candidates), adam=options.adam)


if options.only_check or not options.case:
    check()
if not options.only_check:
    measure()
