"""Gates of real model classes, tiny and with drawn weights.

Needs torch and transformers: `.ci/run` installs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import transformers
from torch.nn.functional import linear

from dmoe_opt import InputError, solve
from dmoe_opt.generating.traces import from_model, to_rounds

LAYERS, EXPERTS, HIDDEN = 2, 8, 32
COMMON = {
    "num_hidden_layers": LAYERS,
    "hidden_size": HIDDEN,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "num_experts_per_tok": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MODELS: dict[str, tuple[type, dict[str, Any]]] = {
    "Mixtral": (transformers.MixtralConfig, {"num_local_experts": EXPERTS}),
    "Olmoe": (transformers.OlmoeConfig, {"num_experts": EXPERTS}),
    "Qwen3Moe": (
        transformers.Qwen3MoeConfig,
        {"num_experts": EXPERTS, "moe_intermediate_size": 16, "head_dim": 8},
    ),
}
IDS = torch.tensor([[5, 6, 7, 8, 9], [0, 0, 10, 11, 12]])
MASK = (IDS != 0).long()
KEPT = [0, 1, 2, 3, 4, 7, 8, 9]


class Seen(NamedTuple):
    """What the modules of a model saw and did, one entry a layer."""

    logits: list[np.ndarray]
    used: list[list[set[int]]]


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    """A model whose gates have clear favourites."""
    kind, more = MODELS[request.param]
    torch.manual_seed(1)
    made = getattr(transformers, f"{request.param}ForCausalLM")(kind(**(COMMON | more))).eval()
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if name.endswith("mlp.gate.weight"):
                weight.normal_(0.0, 0.5)
    return made


@pytest.fixture
def seen(model: Any) -> Iterator[Seen]:
    """Logits worked out from the input of every gate, and the experts used in every block."""
    found = Seen([], [])

    def at_gate(gate: Any, given: tuple[Any, ...], _: object) -> None:
        found.logits.append(
            linear(given[0].reshape(-1, HIDDEN), gate.weight).double().detach().numpy()
        )

    def at_experts(_: object, given: tuple[Any, ...], __: object) -> None:
        found.used.append([set(row.tolist()) for row in given[1]])

    for name, module in model.named_modules():
        if name.endswith("mlp.gate"):
            module.register_forward_hook(at_gate)
        if name.endswith("mlp.experts"):
            module.register_forward_hook(at_experts)
    yield found
    assert len(found.logits) == len(found.used) == LAYERS, "the trace takes one run of the model"


def test_softmax(model: Any, seen: Seen) -> None:
    """Scores are the softmax of the gates' logits, for tokens that are no padding; not uniform."""
    trace = from_model(model, IDS, MASK)
    assert trace.scores.shape == (LAYERS, len(KEPT), EXPERTS)
    for scores, logits in zip(trace.scores, seen.logits, strict=True):
        powers = np.exp(logits[KEPT])
        assert np.allclose(scores, powers / powers.sum(axis=1, keepdims=True), rtol=0, atol=1e-6)
    assert np.allclose(trace.scores.sum(axis=2), 1.0, rtol=0, atol=1e-12)
    assert trace.scores.max(axis=2).mean() > 0.5
    assert trace.source == f"{type(model).__name__}: softmax of its router logits"


def test_top_experts_are_those_that_ran(model: Any, seen: Seen) -> None:
    """The best k of every token are the experts that the model really used."""
    trace = from_model(model, IDS, MASK)
    assert trace.experts_per_token == 2
    for top, used in zip(trace.top_experts(), seen.used, strict=True):
        assert [set(row.tolist()) for row in top] == [used[token] for token in KEPT]


def test_renormalised(model: Any, seen: Seen) -> None:
    """Renormalised scores are the softmax over the logits of the used experts, as in Mixtral."""
    trace = from_model(model, IDS, MASK).renormalised()
    for scores, logits, used in zip(trace.scores, seen.logits, seen.used, strict=True):
        for row, token in zip(scores, KEPT, strict=True):
            experts = sorted(used[token])
            powers = np.exp(logits[token, experts])
            assert np.allclose(row[experts], powers / powers.sum(), rtol=0, atol=1e-6)
            assert np.count_nonzero(row) == 2


def test_no_mask_keeps_all(model: Any, seen: Seen) -> None:
    """Without a mask every token counts; a mask that hides nothing changes nothing."""
    trace = from_model(model, IDS[:1], experts_per_token=3)
    assert (trace.scores.shape, trace.experts_per_token) == ((LAYERS, 5, EXPERTS), 3)
    powers = np.exp(np.stack(seen.logits))
    assert np.allclose(trace.scores, powers / powers.sum(axis=2, keepdims=True), rtol=0, atol=1e-6)


def test_rounds_of_a_model(model: Any) -> None:
    """From the model to an optimum, one round a mixture layer."""
    for data in to_rounds(from_model(model, IDS, MASK), num_subcarriers=64, hidden_size=HIDDEN):
        assert (data.num_tokens, data.num_experts, data.max_experts) == (len(KEPT), EXPERTS, 2)
        assert solve(data, method="exhaustive").status == "optimal"


class Plain(torch.nn.Module):
    """A model that is none of transformers': no configuration, no router logits in its answer."""

    def __init__(self, gates: int = 2, answer: str = "logits") -> None:
        super().__init__()
        torch.manual_seed(2)
        self.embed = torch.nn.Embedding(100, HIDDEN)
        self.layers = torch.nn.ModuleList(
            torch.nn.ModuleDict({"gate": torch.nn.Linear(HIDDEN, 4)}) for _ in range(gates)
        )
        self.answer = answer

    def forward(self, input_ids: Any, attention_mask: Any = None) -> Any:
        """Hidden states, or in `answer` softmax the probabilities under the name of logits."""
        hidden = self.embed(input_ids)
        logits = [layer["gate"](hidden) for layer in self.layers]
        if self.answer == "logits":
            return hidden
        flat = tuple(torch.softmax(x, dim=-1).reshape(-1, 4) for x in logits)
        return transformers.modeling_outputs.MoeModelOutputWithPast(router_logits=flat)


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
def test_gates_are_found_by_their_names(gate: str) -> None:
    """Where a model returns no router logits, the output of its gate modules is taken.

    DeepSeek's scores are sigmoids.
    """
    model = Plain()
    trace = from_model(model, IDS, MASK, gate=gate, experts_per_token=2)
    hidden = model.embed(IDS).reshape(-1, HIDDEN)[KEPT]
    for scores, layer in zip(trace.scores, model.layers, strict=True):
        logits = layer["gate"](hidden).double()  # type: ignore[operator]
        wanted = torch.softmax(logits, dim=1) if gate == "softmax" else torch.sigmoid(logits)
        wanted = wanted / wanted.sum(dim=1, keepdim=True)
        assert np.allclose(scores, wanted.detach().numpy(), rtol=0, atol=1e-6)
    assert not any(module._forward_hooks for module in model.modules())


def test_sigmoid_of_deepseek() -> None:
    """DeepSeek-V3 itself, in half precision.

    A dense layer comes before the first mixture layer; scores come from its own sigmoid.
    """
    config = transformers.DeepseekV3Config(
        **COMMON,
        n_routed_experts=EXPERTS,
        first_k_dense_replace=1,
        moe_intermediate_size=16,
        n_group=1,
        topk_group=1,
        num_local_experts=EXPERTS,
        q_lora_rank=16,
        kv_lora_rank=16,
        qk_rope_head_dim=8,
        qk_nope_head_dim=8,
        v_head_dim=8,
    )
    config.num_key_value_heads = config.num_attention_heads
    torch.manual_seed(3)
    model = transformers.DeepseekV3ForCausalLM(config).eval()
    gate = next(module for name, module in model.named_modules() if name.endswith("mlp.gate"))
    gate.weight.data.normal_(0.0, 0.5)
    model.to(torch.bfloat16)
    inputs: list[Any] = []
    gate.register_forward_hook(lambda _, given, __: inputs.append(given[0].reshape(-1, HIDDEN)))
    trace = from_model(model, IDS, MASK, gate="sigmoid")
    assert trace.scores.shape == (1, len(KEPT), EXPERTS)
    wanted = torch.sigmoid(linear(inputs[0].float(), gate.weight.float())).double()[KEPT]
    assert np.allclose(
        trace.scores[0],
        (wanted / wanted.sum(dim=1, keepdim=True)).detach().numpy(),
        rtol=0,
        atol=1e-6,
    )


def test_logits_after_a_softmax() -> None:
    """The first releases of transformers 5 return probabilities, which are not squashed twice."""
    model = Plain(answer="softmax")
    assert np.allclose(
        from_model(model, IDS).scores, from_model(Plain(), IDS).scores, rtol=0, atol=1e-6
    )
    with pytest.raises(InputError, match="gate = 'sigmoid'; allowed: \"softmax\""):
        from_model(model, IDS, gate="sigmoid")


def test_what_is_refused() -> None:
    """No gates, a mask of another shape, gates that answer with expert numbers, only padding."""
    counting = Plain()
    counting.layers[0]["gate"].register_forward_hook(
        lambda _, __, out: out.argmax(dim=-1, keepdim=True)
    )  # type: ignore[operator]
    for model, mask, message in (
        (
            Plain(gates=0),
            None,
            "model = 'Plain'; allowed: a model with router_logits, "
            "or with modules named gate or router",
        ),
        (
            Plain(),
            MASK[:1],
            r"attention_mask = \(1, 5\); allowed: the shape of input_ids, \(2, 5\)",
        ),
        (
            counting,
            None,
            r"router_logits are 10 x 1 torch\.int64, 10 x 4 torch\.float32; "
            "allowed: reals, 10 tokens",
        ),
        (
            Plain(),
            torch.zeros_like(MASK),
            "logits has shape 2 x 0 x 4; allowed: layers x tokens x experts, none empty",
        ),
    ):
        with pytest.raises(InputError, match=message):
            from_model(model, IDS, mask)
    with pytest.raises(InputError, match="gate = 'relu'"):
        from_model(Plain(), IDS, gate="relu")
