"""T5-small in PyTorch, computing exactly what thaw's encoder-decoder does: checked first, then timed.

    t5_bench dump t5.safetensors
    /usr/bin/python3 bench/peers/t5_peer.py --dump t5.safetensors --threads 2

Written to be PyTorch's best: one product for queries, keys and values, the optimiser over lists of tensors, decoding with
caches in which only the rows of allowed tokens are scored. No dropout on either side, no padding in the batch.
"""
import math

import environment

options = environment.arguments(__doc__, dump="t5.safetensors", case="", only_check=0)

import torch
import torch.nn.functional as F

import safetensors

torch.set_num_threads(options.threads)
D, HEADS, BLOCKS, BUCKETS = 512, 8, 6, 32
BEAMS, ITEMS, SECOND = 20, 12101, 63
data = {name: torch.from_numpy(array.copy()) for name, array in safetensors.read(options.dump).items()}
read, previous, answer = (data["input." + name].long() for name in ("read", "previous", "answer"))


def norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight


def heads(x):
    return x.view(x.shape[0], x.shape[1], HEADS, -1).transpose(1, 2)


def mix(q, k, v, bias=None):
    """q (rows, heads, queries, 64) and so on -> (rows, queries, 512)."""
    scores = q @ k.transpose(-1, -2)
    if bias is not None:
        scores = scores + bias
    return (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(q.shape[0], q.shape[2], D)


def buckets(distance, both):
    span = BUCKETS // 2 if both else BUCKETS
    first = (distance > 0).long() * span if both else 0
    far, exact = distance.abs() if both else -distance.clamp(max=0), span // 2
    log = torch.log(far.float().clamp(min=1) / exact) / math.log(128 / exact) * (span - exact)
    return first + torch.where(far < exact, far, (exact + log.long()).clamp(max=span - 1))


def positions(w, stack, first, count):
    """(heads, queries first .. count - 1, keys 0 .. count - 1)"""
    at = torch.arange(count)
    table = w[f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    return table[buckets(at[None] - at[first:, None], stack == "encoder")].permute(2, 0, 1)


def project(w, layer, names, x):
    """Several projections of x in one product."""
    both = F.linear(x, torch.cat([w[f"{layer}.{name}.weight"] for name in names]))
    return [heads(part) for part in both.split(D, -1)]


def feed(w, layer, x):
    hidden = F.relu(F.linear(norm(x, w[layer + ".layer_norm.weight"]), w[layer + ".DenseReluDense.wi.weight"]))
    return x + F.linear(hidden, w[layer + ".DenseReluDense.wo.weight"])


def encode(w, tokens):
    x, bias = w["shared.weight"][tokens], positions(w, "encoder", 0, tokens.shape[1])
    for i in range(BLOCKS):
        layer = f"encoder.block.{i}.layer."
        q, k, v = project(w, layer + "0.SelfAttention", "qkv", norm(x, w[layer + "0.layer_norm.weight"]))
        x = x + F.linear(mix(q, k, v, bias), w[layer + "0.SelfAttention.o.weight"])
        x = feed(w, layer + "1", x)
    return norm(x, w["encoder.final_layer_norm.weight"])


def memory_of(w, encoded):
    return [project(w, f"decoder.block.{i}.layer.1.EncDecAttention", "kv", encoded) for i in range(BLOCKS)]


def decode(w, tokens, memory, caches=None, first=0, seen=None):
    """Vectors (rows, queries, 512), scaled for the output. `memory` holds a row for each group of rows."""
    count = first + tokens.shape[1]
    bias = positions(w, "decoder", first, count)
    if caches is None:
        bias = bias + torch.full((count, count), -math.inf).triu(1)
    y = F.embedding(tokens, w["shared.weight"])
    for i in range(BLOCKS):
        layer = f"decoder.block.{i}.layer."
        q, k, v = project(w, layer + "0.SelfAttention", "qkv", norm(y, w[layer + "0.layer_norm.weight"]))
        if caches is not None:
            if first > 0:
                k, v = torch.cat([caches[i][0], k], 2), torch.cat([caches[i][1], v], 2)
            caches[i] = (k, v)
        y = y + F.linear(mix(q, k, v, bias), w[layer + "0.SelfAttention.o.weight"])
        (q,) = project(w, layer + "1.EncDecAttention", "q", norm(y, w[layer + "1.layer_norm.weight"]))
        k, v = memory[i]
        groups = k.shape[0]  # beams of a prompt are queries side by side: its keys are not repeated
        q = q.reshape(groups, -1, HEADS, q.shape[2], 64).transpose(1, 2).reshape(groups, HEADS, -1, 64)
        mixed = mix(q, k, v).reshape(y.shape)
        y = y + F.linear(mixed, w[layer + "1.EncDecAttention.o.weight"])
        y = feed(w, layer + "2", y)
    return norm(y, w["decoder.final_layer_norm.weight"]) * D**-0.5


def forward(w):
    hidden = decode(w, previous, memory_of(w, encode(w, read)))
    return F.linear(hidden, w["shared.weight"])


def start():
    weights = {name[8:]: value.clone().requires_grad_() for name, value in data.items() if name.startswith("weights.")}
    assert sum(w.numel() for w in weights.values()) == 60506624
    return weights, torch.optim.AdamW(weights.values(), lr=1e-4, weight_decay=0.01, foreach=True)


def train(weights, optimizer):
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(forward(weights).view(-1, weights["shared.weight"].shape[0]), answer.view(-1))
    loss.backward()
    optimizer.step()
    return loss


def constrained(w, whole=False, users=None):
    """Beam search over items, each two tokens and the end: item i is (100 + i // 63, 400 + i % 63, 1).

    Only allowed tokens are scored; `whole`: all are, and the others masked, as the usual library does it. Gives the items
    (users, beams) best first. The last token is certain, so its step scores nothing.
    """
    prompt = read[:users]
    table, prompts = w["shared.weight"], prompt.shape[0]
    memory, caches = memory_of(w, encode(w, prompt)), [None] * BLOCKS

    def allowed(hidden, ids):
        if not whole:
            return hidden @ table[ids].T
        return (hidden @ table.T)[..., ids]

    hidden = decode(w, torch.zeros(prompts, 1, dtype=torch.long), memory, caches)[:, 0]
    roots = -(-ITEMS // SECOND)
    scores = torch.log_softmax(allowed(hidden, torch.arange(100, 100 + roots)), -1)
    score, one = scores.topk(BEAMS, -1)
    row = torch.arange(prompts).repeat_interleave(BEAMS)
    caches = [(k[row], v[row]) for k, v in caches]
    hidden = decode(w, 100 + one.view(-1, 1), memory, caches, 1)[:, 0]
    logits = allowed(hidden, torch.arange(400, 400 + SECOND)).view(prompts, BEAMS, SECOND)
    items = one[..., None] * SECOND + torch.arange(SECOND)
    logits = logits.masked_fill(items >= ITEMS, -math.inf)
    total = (score[..., None] + torch.log_softmax(logits, -1)).view(prompts, -1)
    best, at = total.topk(BEAMS, -1)
    return items.view(prompts, -1).gather(1, at), best


def official(w, users, steps=3):
    """What ELMRec's published code asks of its library: every beam encodes the prompt for itself, the beams are free to
    say anything, and of all beams x vocabulary continuations the best 2 x beams are looked at.

    With random weights no beam would ever end; `steps` is what two tokens and the end take. Kind to the procedure: no
    text is parsed, cross-attention keys are not moved with the beams, ended beams are not kept.
    """
    prompt = read[:users].repeat_interleave(BEAMS, 0)
    memory, caches = memory_of(w, encode(w, prompt)), [None] * BLOCKS
    score = torch.full((users, BEAMS), -1e9)
    score[:, 0] = 0
    token, first = torch.zeros(users * BEAMS, 1, dtype=torch.long), torch.arange(users)[:, None] * BEAMS
    for step in range(steps):
        hidden = decode(w, token, memory, caches, step)[:, 0]
        share = torch.log_softmax(F.linear(hidden, w["shared.weight"]), -1)
        best, at = (score.reshape(-1, 1) + share).view(users, -1).topk(2 * BEAMS, -1)
        best, at = best[:, :BEAMS], at[:, :BEAMS]
        row = (first + at // share.shape[1]).view(-1)
        caches = [(k[row], v[row]) for k, v in caches]
        score, token = best, (at % share.shape[1]).view(-1, 1)
    return token, score


def check():
    weights, optimizer = start()
    with torch.inference_mode():
        alone, _ = constrained(weights, users=1)
        logits = forward(weights)[0]
        apart = (logits - data["output.logits"]).abs().max().item()
        items, scores = constrained(weights)
        whole_items, _ = constrained(weights, True)
    theirs, apart_score = data["output.items"].long(), (scores - data["output.scores"]).abs().max().item()
    losses = [train(weights, optimizer).item() for _ in data["output.losses"]]
    apart_loss = max(abs(a - b) / b for a, b in zip(data["output.losses"].tolist(), losses))
    print(f'{{"check_logits": {apart:.3g}, "check_scores": {apart_score:.3g}, "check_losses": {apart_loss:.3g}}}', flush=True)
    assert logits.std() > 0.03, "the logits are all alike: nothing would be checked"
    assert apart < 1e-5 and apart_score < 1e-4, "the forward passes differ"
    assert (items == theirs).float().mean() > 0.97, "the beams differ"  # scores that nearly tie may change places
    assert (items[:1] == alone).float().mean() > 0.9
    assert (items == whole_items).float().mean() > 0.97
    assert apart_loss < 1e-3, f"the steps differ: {data['output.losses'].tolist()} and {losses}"


def measure():
    wanted = lambda case: options.case in ("", case)
    weights, optimizer = start()
    frozen = {name: w.detach() for name, w in weights.items()}

    def quietly(call):
        with torch.inference_mode():
            return call()

    if wanted("t5 forward"):
        environment.report(options, "t5 forward", lambda: quietly(lambda: forward(frozen)))
    if wanted("t5 decode"):
        environment.report(options, "t5 decode", lambda: quietly(lambda: constrained(frozen)))
    if wanted("t5 decode whole"):
        environment.report(options, "t5 decode whole", lambda: quietly(lambda: constrained(frozen, True)))
    if wanted("t5 decode one user"):
        environment.report(options, "t5 decode one user", lambda: quietly(lambda: constrained(frozen, users=1)))
    if wanted("t5 official"):
        environment.report(options, "t5 official", lambda: quietly(lambda: official(frozen, 2)))
    if wanted("t5 train"):
        environment.report(options, "t5 train", lambda: train(weights, optimizer))


if options.only_check:
    check()
else:
    measure()
