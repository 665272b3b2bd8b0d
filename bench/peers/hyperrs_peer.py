"""HyperRS in PyTorch, computing exactly what examples/hyperrs does: checked first, then timed.

    hyperrs_bench dump start.safetensors 64
    /usr/bin/python3 bench/peers/hyperrs_peer.py --dump start.safetensors --threads 2

The width is that of the dump. Two forms: `batched`, all users of a meta-step as one product each, and `sequential`,
one user after another as published programs do it. The heads are one matrix; the user's half of the scorer's first
layer is computed once a user. `--adam` picks who steps the weights: torch.optim.Adam (`torch`, `foreach`), or the same
arithmetic in place, a row of the heads at a time so that it stays in cache (`rows`).
"""
import environment

options = environment.arguments(__doc__, dump="start.safetensors", case="", only_check=0, adam="rows")

import torch
import torch.nn.functional as F

import safetensors

torch.set_num_threads(options.threads)
ATTRIBUTES, USERS, RATE, INNER_RATE, SLOPE = 3, 32, 1e-4, 0.01, 0.3
data = {name: torch.from_numpy(array.copy()) for name, array in safetensors.read(options.dump).items()}
WIDTH = data["start.contents.0.table"].shape[1]
LAYERS = [(WIDTH, WIDTH)] * 3 + [(3 * WIDTH, WIDTH), (2 * WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, 1)]


def heads_of(name):
    """(p, numbers) and (numbers): the heads beside each other."""
    count = len([key for key in data if key.startswith(name + ".heads.heads.") and key.endswith("matrix")])
    parts = [f"{name}.heads.heads.{i}" for i in range(count)]
    return torch.cat([data[p + ".matrix"] for p in parts], 1), torch.cat([data[p + ".bias.0"].flatten() for p in parts])


class Model:
    def __init__(self, name="start"):
        self.matrix, self.bias = heads_of(name)
        self.basis = data[name + ".basis.basis"].clone()
        self.tables = [data[f"{name}.contents.{x}.table"].clone() for x in range(ATTRIBUTES)]
        self.rows = data[name + ".users"].clone()  # (users, d + q): embedding, then code

    def weights(self):
        return [self.matrix, self.bias, self.basis] + self.tables

    def scorer(self, code):
        """(users, q) -> (users, numbers)"""
        return F.leaky_relu(torch.addmm(self.bias, code @ self.basis, self.matrix), SLOPE)

    def contents(self, part, begin, users):
        """Sums of content rows, (users, items, d) an attribute."""
        return [F.embedding_bag(ids, table, offsets, mode="sum").view(users, -1, WIDTH)
                for table, (ids, offsets) in zip(self.tables, part.of(begin, users))]


class Part:
    """Bags of the items of all episodes, `items` an episode."""

    def __init__(self, name, items):
        self.items = items
        self.bags = [(data[f"{name}.{x}.ids"].long(), data[f"{name}.{x}.offsets"].long()) for x in range(ATTRIBUTES)]
        self.made = {}

    def of(self, begin, users):
        if (begin, users) not in self.made:
            first, last = begin * self.items, (begin + users) * self.items
            self.made[begin, users] = [(ids[offsets[first] : offsets[last]], offsets[first:last] - offsets[first])
                                       for ids, offsets in self.bags]
        return self.made[begin, users]


def score(theta, user, raw):
    """theta (users, numbers), user (users, d), raw: (users, items, d) an attribute -> (users, items)"""
    users, at, layers = theta.shape[0], 0, []
    for rows, columns in LAYERS:
        weight = theta[:, at : at + rows * columns].view(users, rows, columns)
        at += rows * columns
        bias = theta[:, at : at + columns].unsqueeze(1) if columns > 1 else None
        at += columns if columns > 1 else 0
        layers.append((weight, bias))
    dense = lambda x, layer: torch.baddbmm(layer[1], x, layer[0])
    item = F.relu(dense(torch.cat([F.relu(dense(x, layer)) for x, layer in zip(raw, layers)], 2), layers[3]))
    slots = torch.stack(raw, 2)
    shares = torch.softmax(slots @ user.view(users, 1, -1, 1), 2)
    item = item + (shares * slots).sum(2)
    weight, bias = layers[4]
    start = torch.baddbmm(bias, user.unsqueeze(1), weight[:, :WIDTH])
    x = F.relu(torch.baddbmm(start, item, weight[:, WIDTH:]))
    for layer in layers[5:7]:
        x = F.relu(dense(x, layer))
    return torch.bmm(x, layers[7][0]).squeeze(2)


def score_one(theta, user, raw):
    """The same for one user with plain matrices: theta (numbers), user (d), raw: (items, d) an attribute."""
    at, layers = 0, []
    for rows, columns in LAYERS:
        weight = theta[at : at + rows * columns].view(rows, columns)
        at += rows * columns
        layers.append((weight, theta[at : at + columns] if columns > 1 else None))
        at += columns if columns > 1 else 0
    dense = lambda x, layer: torch.addmm(layer[1], x, layer[0])
    item = F.relu(dense(torch.cat([F.relu(dense(x, layer)) for x, layer in zip(raw, layers)], 1), layers[3]))
    slots = torch.stack(raw, 1)
    item = item + (torch.softmax(slots @ user.view(-1, 1), 1) * slots).sum(1)
    weight, bias = layers[4]
    x = F.relu(torch.addmm(torch.addmv(bias, weight[:WIDTH].t(), user), item, weight[WIDTH:]))
    for layer in layers[5:7]:
        x = F.relu(dense(x, layer))
    return torch.mv(x, layers[7][0].flatten())


class Adam:
    """In place, a row of a large matrix at a time. Rows of users: only those of the meta-batch, the others rest."""

    def __init__(self, model):
        self.model, self.steps = model, 0
        self.weights = model.weights()
        self.first = [torch.zeros_like(w) for w in self.weights]
        self.second = [torch.zeros_like(w) for w in self.weights]
        self.row_first, self.row_second = torch.zeros_like(model.rows), torch.zeros_like(model.rows)
        self.room = torch.empty(max(w.shape[-1] for w in self.weights[:1]))
        self.torch = None
        if options.adam != "rows":
            self.torch = torch.optim.Adam(self.weights, lr=RATE, foreach=options.adam == "foreach")

    @torch.no_grad()
    def step(self, users, row_gradients):
        self.steps += 1
        if self.torch is not None:
            self.torch.step()
        else:
            for w, first, second in zip(self.weights, self.first, self.second):
                if w.numel() < 1 << 22:
                    self.update(w.grad, first, second, w)
                else:
                    for parts in zip(w.grad, first, second, w):
                        self.update(*parts, self.room)
        first, second, rows = self.row_first[users], self.row_second[users], self.model.rows[users]
        self.update(row_gradients, first, second, rows)
        self.row_first[users], self.row_second[users], self.model.rows[users] = first, second, rows

    def update(self, gradient, first, second, weight, room=None):
        correction = (1 - 0.999**self.steps) ** 0.5
        first.lerp_(gradient, 0.1)
        second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        root = torch.sqrt(second, out=room) if room is not None else second.sqrt()
        # as rate * m / c1 / (sqrt(v) / c2 + epsilon)
        root.add_(1e-8 * correction)
        weight.addcdiv_(first, root, value=-RATE * correction / (1 - 0.9**self.steps))


class Trainer:
    def __init__(self, order):
        self.model, self.exact = Model(), order == "exact"
        for w in self.model.weights():
            w.requires_grad_()
        self.adam = Adam(self.model)
        self.support, self.query = Part("support", 20), Part("query", 20)
        self.labels = torch.cat([torch.ones(10), torch.zeros(10)])
        self.users = data["episodes"].long()

    def inner(self, score, theta, user, raw):
        """theta after one step on the support; user after user has her own mean."""
        labels = self.labels.expand(theta.shape[:-1] + (20,))
        if self.exact:
            loss = ((score(theta, user, raw) - labels) ** 2).sum() / 20
            (g,) = torch.autograd.grad(loss, theta, create_graph=True)
            return theta - INNER_RATE * g
        still = theta.detach().requires_grad_()
        loss = ((score(still, user.detach(), [x.detach() for x in raw]) - labels) ** 2).sum() / 20
        (g,) = torch.autograd.grad(loss, still)
        return theta - INNER_RATE * g

    def begin(self, batch):
        for w in self.model.weights():
            w.grad = None
        users = self.users[batch * USERS : (batch + 1) * USERS]
        return users, self.model.rows[users].requires_grad_()

    def batched(self, batch):
        users, rows = self.begin(batch)
        at = batch * USERS
        theta, user = self.model.scorer(rows[:, WIDTH:]), rows[:, :WIDTH]
        moved = self.inner(score, theta, user, self.model.contents(self.support, at, USERS))
        asked = score(moved, user, self.model.contents(self.query, at, USERS))
        loss = ((asked - self.labels) ** 2).mean()
        loss.backward()
        self.adam.step(users, rows.grad)
        return loss

    def sequential(self, batch):
        users, rows = self.begin(batch)
        total = 0.0
        for i in range(USERS):
            at = batch * USERS + i
            theta, user = self.model.scorer(rows[i : i + 1, WIDTH:])[0], rows[i, :WIDTH]
            support = [x[0] for x in self.model.contents(self.support, at, 1)]
            query = [x[0] for x in self.model.contents(self.query, at, 1)]
            moved = self.inner(score_one, theta, user, support)
            loss = ((score_one(moved, user, query) - self.labels) ** 2).mean() / USERS
            loss.backward()
            total += loss.item()
        self.adam.step(users, rows.grad)
        return torch.tensor(total)

    def start(self):
        """What a new user starts from: the mean of the trained users' rows."""
        with torch.no_grad():
            mean = self.model.rows.mean(0)
            return mean, self.model.scorer(mean[None, WIDTH:])[0]

    def adapt(self, mean, theta, support, candidates):
        if theta is None:
            with torch.no_grad():
                theta = self.model.scorer(mean[None, WIDTH:])[0]
        with torch.no_grad():
            raw = [x[0] for x in self.model.contents(support, 0, 1)]
            user = mean[:WIDTH]
        still = theta.detach().requires_grad_()
        (g,) = torch.autograd.grad(((score_one(still, user, raw) - self.labels) ** 2).mean(), still)
        with torch.no_grad():
            return score_one(theta - INNER_RATE * g, user, [x[0] for x in self.model.contents(candidates, 0, 1)])


def check():
    trainer = Trainer("first")
    candidates = Part("candidates", 100)
    ours, theirs = data["scores"], trainer.adapt(trainer.start()[0], None, trainer.support, candidates)
    apart = ((ours - theirs).abs().max() / ours.std()).item()
    print(f'{{"check": "scores of a new user", "apart_in_deviations": {apart:.3g}}}', flush=True)
    assert apart < 1e-2, "the scorers differ, or the scores are all alike and check nothing"
    for order in ("first", "exact"):
        for form in ("batched", "sequential"):
            trainer = Trainer(order)
            losses = [getattr(trainer, form)(batch).item() for batch in range(3)]
            apart = max(abs(a / b - 1) for a, b in zip(losses, data["losses." + order].tolist()))
            after, before = Model(order), Model()
            # How far three steps went apart, as a share of how far they went.
            steps = [(w - v).norm() / (v - u).norm() for w, v, u in
                     zip(trainer.model.weights() + [trainer.model.rows], after.weights() + [after.rows],
                         before.weights() + [before.rows])]
            steps = [x.item() for x in steps]
            print(f'{{"check": "{form} {order}", "losses_apart": {apart:.3g}, "steps_apart": {max(steps):.3g}}}', flush=True)
            assert apart < 1e-5, f"the losses differ: {losses}"
            assert max(steps) < 2e-2, f"the steps differ: {steps}"


def measure():
    wanted = lambda case: options.case in ("", case)
    report = lambda case, step: environment.report(options, case, step, width=WIDTH, adam=options.adam)
    for order in ("first order", "exact"):
        for form in ("batched", "sequential"):
            if wanted(f"train {order}, {form}"):
                trainer, turn = Trainer(order.split()[0]), iter(range(1 << 30))
                report(f"train {order}, {form}", lambda: getattr(trainer, form)(next(turn) % 8))
                del trainer
    if not wanted("adapt") and not wanted("adapt from kept start"):
        return
    trainer, candidates = Trainer("first"), Part("candidates", 100)
    mean, theta = trainer.start()
    if wanted("adapt"):
        report("adapt", lambda: trainer.adapt(mean, None, trainer.support, candidates))
    if wanted("adapt from kept start"):
        report("adapt from kept start", lambda: trainer.adapt(mean, theta, trainer.support, candidates))


if options.only_check or not options.case:
    check()
if not options.only_check:
    measure()
