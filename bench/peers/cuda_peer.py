"""What bench/cuda times, in PyTorch on the same GPU: eager, and compiled where torch.compile takes it.

    python3 bench/peers/cuda_peer.py [--case hire] [--times 30]

The same sizes and the same work, drawn at random; medians between events of the device. One JSON line a case. Products
are in FP32 unless the case says TF32. T5-small is that of the package transformers, where it is installed.
"""
import argparse
import json
import statistics
import sys

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit("cuda_peer: PyTorch is not installed")

if not torch.cuda.is_available():
    print("skipped: PyTorch sees no device", file=sys.stderr)
    sys.exit(77)
DEVICE = "cuda"


def median(call, times):
    for _ in range(5):
        call()
    torch.cuda.synchronize()
    all_times = []
    for _ in range(times):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        call()
        end.record()
        end.synchronize()
        all_times.append(begin.elapsed_time(end))
    return statistics.median(all_times)


def report(case, side, milliseconds):
    print(json.dumps({"case": case, "side": side, "ms": round(milliseconds, 6)}), flush=True)


def attempt(case, side, make, times):
    """Times make()(), or says in one line why it cannot be."""
    try:
        report(case, side, median(make(), times))
    except Exception as problem:  # a peer that fails must not hide the others
        print(json.dumps({"case": case, "side": side, "skipped": str(problem).splitlines()[0][:160]}), flush=True)


def normal(*shape, scale=0.05):
    return torch.randn(*shape, device=DEVICE).mul_(scale)


# ---- HIRE -----------------------------------------------------------------------------------------------------------

USER_KINDS, ITEM_KINDS = [(2, 1), (7, 1), (21, 1), (3402, 1)], [(6, 1), (25, 2), (2186, 1), (8030, 4)]
HEADS, SLOTS, WIDTH = 8, 9, 16


class Axial(torch.nn.Module):
    """One layer of attention along the tokens of x (groups, tokens, width)."""

    def __init__(self, width):
        super().__init__()
        self.query, self.out = torch.nn.Linear(width, width), torch.nn.Linear(width, width)
        self.others = torch.nn.Linear(width, 3 * width)  # keys, values, residual
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(width, eps=1e-12) for _ in range(2))
        self.expand, self.contract = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)

    def forward(self, x):
        groups, tokens, width = x.shape

        def split(v):
            return v.view(groups, tokens, HEADS, width // HEADS).transpose(1, 2)

        keys, values, residual = self.others(x).split(width, -1)
        mixed = F.scaled_dot_product_attention(split(self.query(self.norms[0](x))), split(keys), split(values),
                                               dropout_p=0.1, scale=width**-0.5)
        h = F.dropout(self.out(mixed.transpose(1, 2).reshape(groups, tokens, width)), 0.1) + residual
        return h + F.dropout(self.contract(F.dropout(F.gelu(self.expand(self.norms[1](h))), 0.1)), 0.1)


class Hire(torch.nn.Module):
    def __init__(self):
        super().__init__()
        wide = SLOTS * WIDTH
        bag = lambda rows: torch.nn.EmbeddingBag(rows, WIDTH, mode="mean", include_last_offset=True)
        self.user = torch.nn.ModuleList(bag(rows) for rows, _ in USER_KINDS)
        self.item = torch.nn.ModuleList(bag(rows) for rows, _ in ITEM_KINDS)
        self.rating = torch.nn.Embedding(6, WIDTH, padding_idx=5)
        self.norm = torch.nn.LayerNorm(wide, eps=1e-12)
        self.blocks = torch.nn.ModuleList(
            torch.nn.ModuleList([Axial(wide), Axial(wide), Axial(WIDTH)]) for _ in range(3))
        self.decoder = torch.nn.Linear(wide, 1)

    def forward(self, user, item, rating):
        b, n, m = rating.shape
        users = torch.cat([table(*bags) for table, bags in zip(self.user, user)], 1).view(b, n, 1, -1)
        items = torch.cat([table(*bags) for table, bags in zip(self.item, item)], 1).view(b, 1, m, -1)
        x = torch.cat([users.expand(b, n, m, -1), items.expand(b, n, m, -1), self.rating(rating)], 3)
        x, e = F.dropout(self.norm(x), 0.1), SLOTS * WIDTH
        for over_items, over_users, over_slots in self.blocks:
            x = over_items(x.reshape(b * n, m, e)).view(b, n, m, e)
            x = over_users(x.transpose(1, 2).reshape(b * m, n, e)).view(b, m, n, e).transpose(1, 2)
            x = over_slots(x.reshape(b * n * m, SLOTS, WIDTH)).view(b, n, m, e)
        return 5 * torch.sigmoid(self.decoder(F.dropout(x, 0.1))).squeeze(-1)


class Lamb:
    """LAMB without bias correction inside Lookahead, over lists of tensors and without waiting for the device."""

    def __init__(self, weights):
        self.weights, self.steps = weights, 0
        self.first, self.second = [torch.zeros_like(w) for w in weights], [torch.zeros_like(w) for w in weights]
        self.slow = [w.detach().clone() for w in weights]

    @torch.no_grad()
    def step(self, rate=1e-3):
        gradients = [w.grad for w in self.weights]
        self.steps += 1
        torch._foreach_lerp_(self.first, gradients, 0.1)
        torch._foreach_mul_(self.second, 0.999)
        torch._foreach_addcmul_(self.second, gradients, gradients, 0.001)
        roots = torch._foreach_sqrt(self.second)
        torch._foreach_add_(roots, 1e-6)
        directions = torch._foreach_div(self.first, roots)
        norms = torch.stack(torch._foreach_norm(self.weights)).clamp_(max=10)
        lengths = torch.stack(torch._foreach_norm(directions))
        ratios = torch.where((norms == 0) | (lengths == 0), torch.ones_like(norms), norms / lengths) * -rate
        torch._foreach_mul_(directions, list(ratios.unbind()))
        torch._foreach_add_(self.weights, directions)
        if self.steps % 6 == 0:
            torch._foreach_lerp_(self.slow, self.weights, 0.5)
            torch._foreach_copy_(self.weights, self.slow)


def hire_step(contexts, compiled):
    def bags(count, rows, values):
        ids = torch.randint(rows, (count * values,), device=DEVICE)
        return ids, torch.arange(0, count * values + 1, values, device=DEVICE)

    user = [bags(contexts * 32, *kind) for kind in USER_KINDS]
    item = [bags(contexts * 32, *kind) for kind in ITEM_KINDS]
    shown = torch.rand(contexts, 32, 32, device=DEVICE) < 0.1
    rating = torch.where(shown, torch.randint(5, shown.shape, device=DEVICE), 5)
    truth, weight = torch.randint(1, 6, shown.shape, device=DEVICE).float(), torch.full(shown.shape, 1 / 1024, device=DEVICE)
    model = Hire().to(DEVICE).train()
    forward = torch.compile(model) if compiled else model
    weights = list(model.parameters())
    optimizer = Lamb(weights)

    def step():
        loss = (weight * (forward(user, item, rating) - truth) ** 2).sum()
        for w in weights:
            w.grad = None
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()

    return step


# ---- LightGCN -------------------------------------------------------------------------------------------------------


def lightgcn_step():
    users, items, interactions, width, triples = 29858, 40981, 810128, 64, 2048
    nodes = users + items
    user = torch.randint(users, (interactions,), device=DEVICE)
    item = users + (torch.rand(interactions, device=DEVICE) ** 3 * items).long()
    row, column = torch.cat([user, item]), torch.cat([item, user])
    degree = torch.bincount(row, minlength=nodes).clamp(min=1).float().rsqrt()
    matrix = torch.sparse_coo_tensor(torch.stack([row, column]), degree[row] * degree[column], (nodes, nodes))
    matrix = matrix.coalesce().to_sparse_csr()
    table = normal(nodes, width, scale=0.1).requires_grad_()
    optimizer = torch.optim.Adam([table], fused=True)
    u = torch.randint(users, (triples,), device=DEVICE)
    liked, other = (users + torch.randint(items, (triples,), device=DEVICE) for _ in range(2))

    def step():
        layer = total = table
        for _ in range(3):
            layer = matrix @ layer
            total = total + layer
        final = total / 4
        scores = [(final[u] * final[i]).sum(1) for i in (liked, other)]
        loss = F.softplus(scores[1] - scores[0]).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


# ---- T5 -------------------------------------------------------------------------------------------------------------


def t5_step(compiled):
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=32128, d_model=512, d_kv=64, d_ff=2048, num_layers=6, num_heads=8, dropout_rate=0.0)
    model = T5ForConditionalGeneration(config).to(DEVICE).train()
    forward = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    read, answer = (torch.randint(32128, (16, n), device=DEVICE) for n in (64, 16))

    def step():
        optimizer.zero_grad(set_to_none=True)
        forward(input_ids=read, labels=answer).loss.backward()
        optimizer.step()

    return step


def t5_decoding():
    """generate() of the package: keys and values are kept, each step over the whole vocabulary."""
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=32128, d_model=512, d_kv=64, d_ff=2048, num_layers=6, num_heads=8,
                      decoder_start_token_id=0)
    model = T5ForConditionalGeneration(config).to(DEVICE).eval()
    read = torch.randint(32128, (16, 64), device=DEVICE)

    def decode():
        with torch.inference_mode():
            model.generate(input_ids=read, do_sample=False, num_beams=1, min_new_tokens=16, max_new_tokens=16)

    return decode


# ---- DeepFM ---------------------------------------------------------------------------------------------------------


class DeepFM(torch.nn.Module):
    """Eight fields of 12,500 values in one table, vectors of 16, layers 64 and 64, a linear weight for each value."""

    def __init__(self, sparse):
        super().__init__()
        self.vectors, self.linear = (torch.nn.Embedding(100000, width, sparse=sparse) for width in (16, 1))
        self.deep = torch.nn.Sequential(torch.nn.Linear(128, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64),
                                        torch.nn.ReLU(), torch.nn.Linear(64, 1))
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def forward(self, ids):
        x = self.vectors(ids)
        pairs = 0.5 * (x.sum(1).square() - x.square().sum(1)).sum(1)
        return self.linear(ids).sum((1, 2)) + pairs + self.deep(x.flatten(1)).squeeze(1) + self.bias


def deepfm_step(compiled, sparse):
    model = DeepFM(sparse).to(DEVICE)
    forward = torch.compile(model) if compiled else model
    tables = [model.vectors.weight, model.linear.weight]
    if sparse:
        optimizers = [torch.optim.SparseAdam(tables), torch.optim.Adam([*model.deep.parameters(), model.bias], fused=True)]
    else:
        optimizers = [torch.optim.Adam(model.parameters(), fused=True)]
    first = torch.arange(8, device=DEVICE) * 12500
    ids = [(torch.rand(2048, 8, device=DEVICE) ** 3 * 12500).long() + first for _ in range(16)]
    clicks = [torch.rand(2048, device=DEVICE).round() for _ in range(16)]
    at = 0

    def step():
        nonlocal at
        at = (at + 1) % 16
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        F.binary_cross_entropy_with_logits(forward(ids[at]), clicks[at]).backward()
        for optimizer in optimizers:
            optimizer.step()

    return step


# ---- HyperRS --------------------------------------------------------------------------------------------------------

CONTENTS, META_WIDTH = [(25, 2), (2186, 1), (8030, 4)], 64
SCORER = [(64, 64)] * 3 + [(192, 64), (128, 64), (64, 64), (64, 64), (64, 1)]


class HyperRS(torch.nn.Module):
    """All users of a meta-batch as one product each; the heads are one matrix."""

    def __init__(self):
        super().__init__()
        size = sum(rows * columns + (columns if columns > 1 else 0) for rows, columns in SCORER)
        self.users = torch.nn.Embedding(6040, 2 * META_WIDTH)
        self.tables = torch.nn.ModuleList(torch.nn.EmbeddingBag(rows, META_WIDTH, mode="sum") for rows, _ in CONTENTS)
        self.basis = torch.nn.Parameter(normal(META_WIDTH, 128))
        self.matrix, self.bias = (torch.nn.Parameter(normal(*shape)) for shape in ((128, size), (size,)))

    def contents(self, part):
        return [table(ids.flatten(0, 1)).view(*ids.shape[:2], META_WIDTH) for table, ids in zip(self.tables, part)]

    def scorers(self, codes):
        return F.leaky_relu(torch.addmm(self.bias, codes @ self.basis, self.matrix), 0.3)

    def score(self, theta, users, part):
        raw, layers, at = self.contents(part), [], 0
        for rows, columns in SCORER:
            weight = theta[:, at : at + rows * columns].view(-1, rows, columns)
            at += rows * columns
            layers.append((weight, theta[:, at : at + columns].unsqueeze(1) if columns > 1 else None))
            at += columns if columns > 1 else 0
        dense = lambda x, layer: torch.baddbmm(layer[1], x, layer[0])
        item = F.relu(dense(torch.cat([F.relu(dense(x, layer)) for x, layer in zip(raw, layers)], 2), layers[3]))
        slots = torch.stack(raw, 2)
        shares = torch.softmax((slots * users[:, None, None]).sum(3), 2)
        item = item + (shares.unsqueeze(3) * slots).sum(2)
        x = torch.cat([users.unsqueeze(1).expand_as(item), item], 2)
        for layer in layers[4:7]:
            x = F.relu(dense(x, layer))
        return (x @ layers[7][0]).squeeze(2)


def hyperrs_items(users, each):
    return [torch.randint(rows, (users, each, values), device=DEVICE) for rows, values in CONTENTS]


def hyperrs_step(first_order):
    model = HyperRS().to(DEVICE)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    ids = torch.randint(6040, (32,), device=DEVICE)
    support, query = hyperrs_items(32, 20), hyperrs_items(32, 20)
    truth = torch.cat([torch.ones(32, 10, device=DEVICE), torch.zeros(32, 10, device=DEVICE)], 1)

    def step():
        optimizer.zero_grad(set_to_none=True)
        users, codes = model.users(ids).split(META_WIDTH, 1)
        theta = model.scorers(codes)
        inner = (model.score(theta, users, support) - truth).square().mean(1).sum()
        (slope,) = torch.autograd.grad(inner, theta, create_graph=not first_order)
        (model.score(theta - 5e-3 * slope, users, query) - truth).square().mean().backward()
        optimizer.step()

    return step


def hyperrs_new_user():
    model = HyperRS().to(DEVICE)
    user, support, asked = normal(1, META_WIDTH), hyperrs_items(1, 20), hyperrs_items(1, 100)
    truth = torch.cat([torch.ones(1, 10, device=DEVICE), torch.zeros(1, 10, device=DEVICE)], 1)

    def adapt():
        with torch.no_grad():
            theta = model.scorers(user)
        theta.requires_grad_()
        (slope,) = torch.autograd.grad((model.score(theta, user, support) - truth).square().mean(), theta)
        with torch.no_grad():
            model.score(theta - 5e-3 * slope, user, asked).cpu()

    return adapt


# ---- single kernels -------------------------------------------------------------------------------------------------


def kernels(times):
    x, weight = torch.rand(65536, 512, device=DEVICE) - 0.5, torch.rand(512, device=DEVICE)
    table, rows = torch.rand(1000000, 64, device=DEVICE), torch.rand(65536, 64, device=DEVICE)
    ids = torch.randint(1000000, (65536,), device=DEVICE)
    a, b = (torch.rand(4096, 4096, device=DEVICE) - 0.5 for _ in range(2))
    cases = {
        "copy": lambda: x.clone(),
        "gelu": lambda: F.gelu(x),
        "dropout": lambda: F.dropout(x, 0.1, True),
        "softmax": lambda: torch.softmax(x, -1),
        "layer_norm": lambda: F.layer_norm(x, (512,), weight, weight),
        "transpose": lambda: x.t().contiguous(),
        "sum of rows": lambda: x.sum(1),
        "sum of columns": lambda: x.sum(0),
        "gather of 65536 ids": lambda: table[ids],
        "scatter_add of 65536 ids": lambda: table.index_add_(0, ids, rows),
        "product 4096, FP32": lambda: a @ b,
    }
    with torch.no_grad():
        for case, call in cases.items():
            attempt(case, "pytorch", lambda call=call: call, times)
        torch.backends.cuda.matmul.allow_tf32 = True
        attempt("product 4096, TF32", "pytorch", lambda: lambda: a @ b, times)
        torch.backends.cuda.matmul.allow_tf32 = False


CASES = ["kernels", "hire", "lightgcn", "t5", "deepfm", "hyperrs"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--times", type=int, default=30)
    options = parser.parse_args()
    wanted = options.case or CASES
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(1)
    sides = (("pytorch", False), ("pytorch compiled", True))
    if "kernels" in wanted:
        kernels(options.times)
    if "hire" in wanted:
        for contexts in (8, 64):
            for side, compiled in sides:
                attempt(f"HIRE training step, {contexts} contexts", side, lambda: hire_step(contexts, compiled),
                        options.times)
    if "lightgcn" in wanted:
        attempt("LightGCN training step, Gowalla's size", "pytorch", lightgcn_step, options.times)
    if "t5" in wanted:
        for side, compiled in sides:
            attempt("T5-small training step, 16 prompts", side, lambda: t5_step(compiled), options.times)
        torch.backends.cuda.matmul.allow_tf32 = True
        attempt("T5-small training step, 16 prompts, TF32", "pytorch", lambda: t5_step(False), options.times)
        torch.backends.cuda.matmul.allow_tf32 = False
        attempt("T5-small greedy decoding, 16 prompts, 16 tokens each", "pytorch", t5_decoding, options.times)
    if "deepfm" in wanted:
        for side, compiled in sides:
            attempt("DeepFM training step, 2048 samples", side, lambda: deepfm_step(compiled, False), options.times)
        attempt("DeepFM training step, 2048 samples, touched rows", "pytorch", lambda: deepfm_step(False, True),
                options.times)
    if "hyperrs" in wanted:
        attempt("HyperRS outer step, 32 users, exact", "pytorch", lambda: hyperrs_step(False), options.times)
        attempt("HyperRS outer step, 32 users, first order", "pytorch", lambda: hyperrs_step(True), options.times)
        attempt("HyperRS, a new user", "pytorch", hyperrs_new_user, options.times)


if __name__ == "__main__":
    main()
