#!/usr/bin/env python3
"""Pool model: a transformer of 217 million parameters that learns and decodes, as the checks of `gmemfs run` use it.

    pool_model.py rates [STEPS]     JSON: when the first operation had ended, seconds a step of training (forward,
                                    backward, AdamW, bf16), seconds a token of decoding, eager and by a graph, and sums
    pool_model.py start 0           JSON: seconds from exec to PyTorch's import, and to the end of the first operation
    pool_model.py lengths [STEPS]   the same training with another number and length of sequences at each step
"""
import json
import os
import random
import statistics
import sys
import time

import pool_du

LAYERS, WIDTH, HEADS, VOCABULARY = 12, 1024, 16, 32000
CONTEXT = 1024      # tokens, the most that a cache holds
TOKENS_MOST = 8192  # of a step


def make_model(torch, device="cuda"):
    nn, functional = torch.nn, torch.nn.functional

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.mix, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x, cache=None, place=None, seen=None):
            batch, length, _ = x.shape
            parts = self.mix(self.first(x)).view(batch, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
            query, key, value = parts
            if cache is None:
                mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            else:
                cache[0].index_copy_(2, place, key)
                cache[1].index_copy_(2, place, value)
                mixed = functional.scaled_dot_product_attention(query, cache[0], cache[1], attn_mask=seen)
            x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, WIDTH))
            return x + self.down(functional.gelu(self.up(self.second(x))))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(2 * CONTEXT, WIDTH)
            self.layers, self.last = nn.ModuleList(Layer() for _ in range(LAYERS)), nn.LayerNorm(WIDTH)
            self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)

        def forward(self, tokens):
            x = self.words(tokens) + self.places.weight[:tokens.shape[1]]
            for layer in self.layers:
                x = layer(x)
            return self.head(self.last(x))

        def decode(self, tokens, caches, place):
            """The next token of each sequence, whose last one is at `place`."""
            x = self.words(tokens) + self.places(place)
            seen = (torch.arange(CONTEXT, device=tokens.device) <= place).view(1, 1, 1, CONTEXT)
            for layer, cache in zip(self.layers, caches):
                x = layer(x, cache, place, seen)
            return self.head(self.last(x)).argmax(-1)

    torch.manual_seed(5)
    with torch.device(device):
        return Model().to(torch.bfloat16)


def train(torch, model, optimizer, tokens):
    logits = model(tokens[:, :-1])
    loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.detach()


def timed(torch, count, call):
    """Seconds of each call, the device's work included."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return times


class Decoder:
    """A batch of sequences, a token further at each call; by one graph, or operation by operation."""

    def __init__(self, torch, model, batch, device="cuda"):
        shape = (batch, HEADS, CONTEXT, WIDTH // HEADS)
        self.torch, self.model = torch, model
        self.caches = [[torch.zeros(shape, device=device, dtype=torch.bfloat16) for _ in range(2)]
                       for _ in range(LAYERS)]
        self.tokens = torch.arange(batch, device=device).view(batch, 1)
        self.place = torch.zeros(1, dtype=torch.long, device=device)
        self.said = torch.zeros(batch, CONTEXT, dtype=torch.long, device=device)

    def step(self):
        self.tokens.copy_(self.model.decode(self.tokens, self.caches, self.place))
        self.said.index_copy_(1, self.place, self.tokens)
        self.place.add_(1)

    def capture(self):
        """Of one step; the steps that warm it up count."""
        torch, side = self.torch, self.torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        return graph


def decode_rates(torch, model, steps):
    """Seconds a token for batches of 1 and 8, eager and by a graph; and sums of what is said."""
    told, said = {}, []
    with torch.no_grad():
        for batch in (1, 8):
            eager, by_graph = Decoder(torch, model, batch), Decoder(torch, model, batch)
            for _ in range(3):
                eager.step()
            told[f"eager_{batch}"] = statistics.median(timed(torch, steps, eager.step))
            graph = by_graph.capture()
            told[f"graph_{batch}"] = statistics.median(timed(torch, steps, graph.replay))
            said += [int(each.said.sum()) for each in (eager, by_graph)]
            del graph
    return told, said


def since_exec():
    return (time.clock_gettime_ns(time.CLOCK_MONOTONIC) - int(os.environ["STARTED_NS"])) / 1e9


def start(_):
    import torch
    imported = since_exec()
    torch.zeros(1, device="cuda").item()
    return {"imported": imported, "started": since_exec()}


def rates(steps):
    told_of_start = start(0)
    import torch
    model = make_model(torch)
    told, said = decode_rates(torch, model, 3 * steps)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    tokens = torch.randint(0, VOCABULARY, (8, CONTEXT + 1), device="cuda",
                           generator=torch.Generator("cuda").manual_seed(6))
    losses = [train(torch, model, optimizer, tokens).item() for _ in range(4)]
    told["train"] = statistics.median(timed(torch, steps, lambda: train(torch, model, optimizer, tokens)))
    return {**told_of_start, "seconds": told, "said": said, "losses": losses, **memory(torch)}


def lengths(steps):
    import torch
    chance = random.Random(7)
    model = make_model(torch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    generator = torch.Generator("cuda").manual_seed(8)
    losses = []
    for _ in range(steps):
        length = chance.randrange(64, 2 * CONTEXT)
        batch = chance.randrange(1, max(1, TOKENS_MOST // length) + 1)
        tokens = torch.randint(0, VOCABULARY, (batch, length + 1), device="cuda", generator=generator)
        losses.append(train(torch, model, optimizer, tokens).item())
    return {"losses": losses[-5:], **memory(torch)}


def memory(torch):
    """Bytes: the most that PyTorch's own allocator had, what NVML says of the process, and the pool has, where there is
    one."""
    torch.cuda.synchronize()
    told = {"reserved": torch.cuda.max_memory_reserved(), "allocated": torch.cuda.max_memory_allocated(),
            "nvml": pool_du.Nvml().of_process(os.getpid())}
    if "GMEMFS_POOL_DIR" in os.environ:
        import pool_runs
        pool = pool_runs.read_pool(os.environ["GMEMFS_POOL_DIR"])
        told |= {"held": pool["held"], "peak": pool["peak"]}
    return told


if __name__ == "__main__":
    print(json.dumps({"start": start, "rates": rates, "lengths": lengths}[sys.argv[1]](int(sys.argv[2]))), flush=True)
