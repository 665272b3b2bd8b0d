"""HIRE in PyTorch, computing exactly what examples/hire does: checked first, then timed.

    hire_bench dump step.safetensors
    /usr/bin/python3 bench/peers/hire_peer.py --dump step.safetensors --threads 2

Written to be PyTorch's best: contexts in one batch, every user and item embedded once, one product for the keys, values
and residual of a layer, the scale of the scores inside their product, the optimiser over lists of tensors.
"""
import environment

options = environment.arguments(__doc__, dump="step.safetensors", case="", only_check=0)

import torch
import torch.nn.functional as F

import safetensors

torch.set_num_threads(options.threads)
torch.manual_seed(1)
BLOCKS, HEADS, DROPOUT = 3, 8, 0.1
SLOTS, WIDTH = 9, 16
data = {name: torch.from_numpy(array.copy()) for name, array in safetensors.read(options.dump).items()}


def attention(query, keys, values, scale, dropout):
    """(groups, tokens, width) each -> the same; heads are slices of the width."""
    groups, tokens, width = query.shape

    def split(x):
        return x.view(groups, tokens, HEADS, width // HEADS).transpose(1, 2).reshape(groups * HEADS, tokens, -1)

    q, k, v = split(query), split(keys), split(values)
    unused = torch.empty(1, 1, 1).expand(groups * HEADS, tokens, tokens)
    scores = torch.baddbmm(unused, q, k.transpose(1, 2), beta=0, alpha=scale)
    mixed = torch.bmm(F.dropout(torch.softmax(scores, -1), dropout, dropout > 0), v)
    return mixed.view(groups, HEADS, tokens, -1).transpose(1, 2).reshape(groups, tokens, width)


def layer(w, name, x, dropout):
    """One transformer layer; x (groups, tokens, width)."""
    get = lambda part: (w[f"{name}.{part}.weight"], w[f"{name}.{part}.bias"])
    drop = lambda value: F.dropout(value, dropout, True) if dropout > 0 else value
    width = x.shape[-1]
    query = F.linear(F.layer_norm(x, (width,), *get("norm_query"), 1e-12), *get("query"))
    together = zip(get("key"), get("value"), get("residual"))
    keys, values, residual = F.linear(x, *(torch.cat(parts) for parts in together)).split(width, -1)
    mixed = attention(query, keys.contiguous(), values.contiguous(), width**-0.5, dropout)
    h = drop(F.linear(mixed, *get("output"))) + residual
    hidden = F.linear(F.layer_norm(h, (width,), *get("norm_hidden"), 1e-12), *get("expand"))
    return h + drop(F.linear(drop(F.gelu(hidden)), *get("contract")))


class Batch:
    """The first `count` contexts, or more than the file holds by repeating them."""

    def __init__(self, count):
        self.count = count
        repeats = -(-count // data["input.truth"].shape[0])
        self.truth = data["input.truth"].repeat(repeats, 1, 1)[:count].contiguous()
        self.weight = data["input.weight"].repeat(repeats, 1, 1)[:count].contiguous()
        self.users, self.items = self.truth.shape[1:]
        self.user = [self.bags(f"input.user.{i}", count * self.users, repeats) for i in range(4)]
        self.item = [self.bags(f"input.item.{i}", count * self.items, repeats) for i in range(4)]
        rating = data["input.rating.ids"].repeat(repeats)[: self.truth.numel()].long()
        self.rating = torch.where(rating < 0, torch.full_like(rating, 5), rating)  # row 5 is the row of zeros

    @staticmethod
    def bags(name, count, repeats):
        ids, offsets = data[name + ".ids"].long(), data[name + ".offsets"].long()
        sizes = (offsets[1:] - offsets[:-1]).repeat(repeats)[:count]
        ids = ids.repeat(repeats)[: int(sizes.sum())]
        return ids, torch.cat([torch.zeros(1, dtype=torch.long), sizes.cumsum(0)[:-1]])


def forward(w, batch, dropout):
    b, n, m, e = batch.count, batch.users, batch.items, SLOTS * WIDTH

    def side(name, bags):
        rows = [F.embedding_bag(ids, w[f"{name}.{i}.table"], starts, mode="mean") for i, (ids, starts) in enumerate(bags)]
        return torch.cat(rows, 1)

    users, items = side("user_attributes", batch.user), side("item_attributes", batch.item)
    table = torch.cat([w["rating.table"], torch.zeros(1, WIDTH)])
    rating = F.embedding(batch.rating, table).view(b, n, m, WIDTH)
    x = torch.cat([users.view(b, n, 1, -1).expand(b, n, m, -1), items.view(b, 1, m, -1).expand(b, n, m, -1), rating], 3)
    drop = lambda value: F.dropout(value, dropout, True) if dropout > 0 else value
    x = drop(F.layer_norm(x, (e,), w["input_norm.weight"], w["input_norm.bias"], 1e-12))
    for i in range(BLOCKS):
        x = layer(w, f"blocks.{i}.items", x.reshape(b * n, m, e), dropout).view(b, n, m, e)
        x = layer(w, f"blocks.{i}.users", x.transpose(1, 2).reshape(b * m, n, e), dropout)
        x = x.view(b, m, n, e).transpose(1, 2)
        x = layer(w, f"blocks.{i}.attributes", x.reshape(b * n * m, SLOTS, WIDTH), dropout).view(b, n, m, e)
    return 5 * torch.sigmoid(F.linear(drop(x), w["decoder.weight"], w["decoder.bias"])).squeeze(-1)


class Lamb:
    """LAMB without bias correction inside Lookahead (every 6 steps, half way), slow weights born at the first sync."""

    def __init__(self, weights):
        self.weights, self.steps, self.slow = weights, 0, None
        self.first = [torch.zeros_like(w) for w in weights]
        self.second = [torch.zeros_like(w) for w in weights]

    @torch.no_grad()
    def step(self, rate=1e-3):
        gradients = [w.grad for w in self.weights]
        self.steps += 1
        torch._foreach_mul_(self.first, 0.9)
        torch._foreach_add_(self.first, gradients, alpha=0.1)
        torch._foreach_mul_(self.second, 0.999)
        torch._foreach_addcmul_(self.second, gradients, gradients, 0.001)
        roots = torch._foreach_sqrt(self.second)
        torch._foreach_add_(roots, 1e-6)
        directions = torch._foreach_div(self.first, roots)
        norms = torch.stack([w.norm() for w in self.weights]).clamp_(max=10)
        lengths = torch.stack([d.norm() for d in directions])
        ratios = torch.where((norms == 0) | (lengths == 0), torch.ones_like(norms), norms / lengths)
        torch._foreach_mul_(directions, (-rate * ratios).tolist())
        torch._foreach_add_(self.weights, directions)
        if self.steps % 6 == 0:
            self.look_ahead()

    def look_ahead(self):
        if self.slow is None:
            self.slow = [w.clone() for w in self.weights]
            return
        for slow, fast in zip(self.slow, self.weights):
            slow.lerp_(fast, 0.5)
            fast.copy_(slow)


def start():
    weights = {name[8:]: value.clone().requires_grad_() for name, value in data.items() if name.startswith("weights.")}
    assert sum(w.numel() for w in weights.values()) == 1859537
    return weights, Lamb(list(weights.values()))


def train(weights, optimizer, batch, dropout):
    for w in weights.values():
        w.grad = None
    loss = ((forward(weights, batch, dropout) - batch.truth) ** 2 * batch.weight).sum()
    loss.backward()
    optimizer.step()
    return loss


def check():
    weights, optimizer = start()
    batch = Batch(2)
    with torch.inference_mode():
        ours, theirs = data["output.ratings"], forward(weights, batch, 0)
    apart = (ours - theirs).abs().max().item()
    apart_user = (data["output.first_user"] - theirs[:, 0]).abs().max().item()
    losses = [train(weights, optimizer, batch, 0).item() for _ in data["output.losses"]]
    apart_loss = max(abs(a - b) / b for a, b in zip(data["output.losses"].tolist(), losses))
    print(f'{{"check": {apart:.3g}, "check_first_user": {apart_user:.3g}, "check_losses": {apart_loss:.3g}}}', flush=True)
    assert ours.std() > 1e-3, "the predictions are all alike: nothing would be checked"
    assert apart < 1e-5 and apart_user < 1e-5, "the forward passes differ"
    assert apart_loss < 1e-3, f"the steps differ: {data['output.losses'].tolist()} and {losses}"


def measure():
    wanted = lambda case: options.case in ("", case)
    for count in (8, 1):
        case = f"train batch {count}"
        weights, optimizer = start()
        batch = Batch(count)
        if wanted(case):
            environment.report(options, case, lambda: train(weights, optimizer, batch, DROPOUT))
    if wanted("score one context"):
        with torch.inference_mode():
            environment.report(options, "score one context", lambda: forward(weights, batch, 0))


check()
if not options.only_check:
    measure()
