"""Every operator on the device, bit for bit beside the CPU's: the contract's shapes, its edges and random ones."""

import functools
import itertools
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

import torch_moe_ttnn
from torch_moe_ttnn import tt
from torch_moe_ttnn._cli.difference import difference
from torch_moe_ttnn._cli.verify.check import Check, Details, FailedError, Setting
from torch_moe_ttnn.testing import DISTRIBUTIONS, MODELS, make_choices

_ID_DTYPES = (torch.uint16, torch.uint32, torch.int32, torch.int64)
_WEIGHT_DTYPES = (torch.bfloat16, torch.float16, torch.float32)

_TOKENS = (1, 32, 33)
_ALL_TOKENS = (1, 32, 33, 1000, 4096, 32768)

_MOST_BYTES = 512 << 20
"""Of a routing's outputs or of rows that are moved: this machine holds them several times."""

_MOST_WRONG = 5
"""Cases after which an operator is given up."""


class _Case(NamedTuple):
    """Choices, and what is to be done with them."""

    num_tokens: int
    top_k: int
    num_experts: int
    distribution: str = "uniform"
    id_dtype: torch.dtype = torch.uint32
    weight_dtype: torch.dtype = torch.bfloat16
    num_local: int | None = None
    """Experts that this device holds."""
    max_tokens: int | None = None
    alignment: int = 1
    hidden_size: int = 64
    how: str = ""
    """What is done to the choices: ``repeated`` ids, or ``transposed``, so that they are not contiguous."""

    def __str__(self) -> str:
        default = self._field_defaults
        sizes = f"T = {self.num_tokens}, K = {self.top_k}, E = {self.num_experts}"
        options = (
            f"{field.replace('_', ' ')} {getattr(self, field)}"
            for field in self._fields
            if field in default and getattr(self, field) != default[field]
        )
        return ", ".join((sizes, *options))

    @property
    def num_rows(self) -> int:
        return self.num_experts if self.num_local is None else self.num_local

    @property
    def num_bytes(self) -> int:
        """The bytes of the largest outputs."""
        choices = self.num_tokens * self.top_k
        width = choices if self.max_tokens is None else self.max_tokens
        routing = torch_moe_ttnn.padded_num_experts(max(self.num_rows, 1)) * width * 8
        return max(routing, choices * self.hidden_size * self.weight_dtype.itemsize)

    def choices(self, seed: int) -> tuple[Tensor, Tensor]:
        """Return ids and weights on the CPU."""
        ids, weights = make_choices(
            self.num_tokens,
            self.top_k,
            self.num_experts,
            distribution=self.distribution,
            seed=seed,
            weight_dtype=self.weight_dtype,
        )
        if self.how == "repeated" and self.top_k > 1:
            ids[:, 1] = ids[:, 0]
        ids = ids.to(self.id_dtype)
        if self.how == "transposed":
            ids, weights = ids.t().contiguous().t(), weights.t().contiguous().t()
        return ids, weights

    def local_experts(self, seed: int) -> Tensor | None:
        """Return the experts that this device holds; of three or more, one is "no expert"."""
        if self.num_local is None:
            return None
        generator = torch.Generator().manual_seed(seed)
        local = torch.randperm(self.num_experts, generator=generator)[: self.num_local]
        if self.num_local > 2:
            local[1] = -1
        return local.to(self.id_dtype)


def _of_every_dtype() -> Iterator[_Case]:
    for id_dtype, weight_dtype in itertools.product(_ID_DTYPES, _WEIGHT_DTYPES):
        yield _Case(33, 4, 40, id_dtype=id_dtype, weight_dtype=weight_dtype)


def _of_models(full: bool, rows: bool) -> Iterator[_Case]:
    """Yield the contract's shapes; with rows as wide as a model's where a kernel moves them and they are few."""
    distributions = itertools.cycle(DISTRIBUTIONS)
    for name, model in MODELS.items():
        tokens: tuple[int, ...] = _ALL_TOKENS if full else _TOKENS
        if not full and name == "qwen3-30b-a3b":
            tokens = (*_TOKENS, 1000, 4096)
        for num_tokens in tokens:
            wide = rows and num_tokens <= (4096 if full else 33)
            case = _Case(num_tokens, model.top_k, model.num_experts, hidden_size=model.hidden_size if wide else 64)
            for distribution in DISTRIBUTIONS if full else (next(distributions),):
                yield case._replace(distribution=distribution)


def _edges() -> Iterator[_Case]:
    yield _Case(0, 4, 16)
    yield _Case(33, 0, 16)
    yield _Case(1, 1, 1)
    yield _Case(1000, 1, 1)
    yield _Case(33, 8, 8)
    yield _Case(4, 2, 500)  # hardly an expert has a token
    yield _Case(65, 3, 31, distribution="same", hidden_size=1)
    yield _Case(65, 3, 33, distribution="padded", hidden_size=17)
    yield _Case(40, 4, 16, how="repeated")
    yield _Case(40, 4, 16, how="transposed")


def _of_options() -> Iterator[_Case]:
    for id_dtype in _ID_DTYPES:
        yield _Case(70, 4, 40, num_local=9, id_dtype=id_dtype)
    yield _Case(70, 4, 40, num_local=1, max_tokens=5)
    yield _Case(70, 4, 40, num_local=40, alignment=16, distribution="zipf")
    yield _Case(70, 4, 40, max_tokens=0)
    yield _Case(70, 4, 40, max_tokens=3, distribution="same")
    yield _Case(70, 4, 40, alignment=32)
    yield _Case(70, 4, 40, num_local=33, max_tokens=7, alignment=8, distribution="padded")


def _random(seed: int, count: int) -> Iterator[_Case]:
    generator = random.Random(seed)
    for _ in range(count):
        num_experts = generator.randint(1, generator.choice((4, 40, 300, 900)))
        yield _Case(
            generator.randint(0, generator.choice((5, 70, 700))),
            generator.randint(1, min(num_experts, 16)),
            num_experts,
            distribution=generator.choice(list(DISTRIBUTIONS)),
            id_dtype=generator.choice(_ID_DTYPES),
            weight_dtype=generator.choice(_WEIGHT_DTYPES),
            num_local=generator.choice((None, None, generator.randint(1, num_experts))),
            max_tokens=generator.choice((None, None, generator.randint(0, 50))),
            alignment=generator.choice((1, 1, 8, 32)),
            hidden_size=generator.randint(1, 600),
        )


class _Call(NamedTuple):
    arguments: tuple[Tensor | int | None, ...]
    options: dict[str, Tensor | int | None]


def _of_choices(*options: str) -> Callable[[_Case, int], _Call]:
    """Return what makes the call of an operator that takes a router's choices."""

    def call(case: _Case, seed: int) -> _Call:
        local, given = case.local_experts(seed), set(options)
        values = {"local_experts": local, "max_tokens": case.max_tokens, "alignment": case.alignment}
        return _Call((*case.choices(seed), case.num_experts), {name: values[name] for name in values if name in given})

    return call


_grouping_of = _of_choices("local_experts", "max_tokens", "alignment")


def _grouping(case: _Case, seed: int) -> tuple[Tensor, torch_moe_ttnn.Grouping]:
    """Return the weights and the grouping of a case's choices, on the CPU."""
    arguments, options = _grouping_of(case, seed)
    weights = arguments[1]
    assert isinstance(weights, Tensor)
    return weights, torch_moe_ttnn.Grouping(*torch.ops.moe.prepare_grouping(*arguments, **options))


def _values(case: _Case, seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(case.weight_dtype)


def _of_permute(case: _Case, seed: int) -> _Call:
    _, grouping = _grouping(case, seed)
    return _Call((_values(case, seed, case.num_tokens, case.hidden_size), grouping.grouped_tokens), {})


def _of_unpermute(case: _Case, seed: int) -> _Call:
    weights, grouping = _grouping(case, seed)
    rows = _values(case, seed, len(grouping.grouped_tokens), case.hidden_size)
    return _Call((rows, weights, grouping.positions), {})


def _of_grouped_linear(case: _Case, seed: int) -> _Call:
    _, grouping = _grouping(case, seed)
    rows = _values(case, seed, len(grouping.grouped_tokens), 16)
    weight, bias = _values(case, seed + 1, case.num_rows, 8, 16), _values(case, seed + 2, case.num_rows, 8)
    return _Call((rows, weight, grouping.group_offsets), {"bias": bias})


def _on_tt(call: _Call) -> _Call:
    def moved(value: Tensor | int | None) -> Tensor | int | None:
        return value.to("tt") if isinstance(value, Tensor) else value

    return _Call(
        tuple(moved(value) for value in call.arguments),
        {name: moved(value) for name, value in call.options.items()},
    )


def _outputs(name: str, call: _Call) -> tuple[Tensor, ...]:
    outputs = getattr(torch.ops.moe, name)(*call.arguments, **call.options)
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def _compare(name: str, make: Callable[[_Case, int], _Call], rows: bool, setting: Setting) -> Details:
    """Compare an operator on the device with the CPU's over all cases."""
    launches = tt.num_launches()
    wrong, compared, left_out = [], 0, 0
    seeds = random.Random(setting.seed)
    cases = itertools.chain(
        _of_every_dtype(),
        _edges(),
        _of_options(),
        _of_models(setting.full, rows),
        _random(setting.seed, 200 if setting.full else 15),
    )
    for case in cases:
        if case.num_bytes > _MOST_BYTES:
            left_out += 1
            continue
        seed = seeds.randrange(2**31)
        setting.at(f"{case}, seed {seed}")
        compared += 1
        call = make(case, seed)
        try:
            outputs = _outputs(name, _on_tt(call))
            off = [output for output in outputs if output.device.type != "tt"]
            differences = [f"{len(off)} outputs are not on tt"] if off else []
            for index, (output, expected) in enumerate(zip(outputs, _outputs(name, call), strict=True)):
                differences += filter(None, [difference(f"output {index}", output, expected)])
        except Exception as error:
            differences = [f"{type(error).__name__}: {error}"]
        wrong += [f"{case}, seed {seed}: {differences[0]}"] if differences else []
        if len(wrong) == _MOST_WRONG:
            break
    if wrong:
        raise FailedError("\n".join([f"{len(wrong)} of {compared} cases are not the CPU's", *wrong]))
    return {
        "cases compared": compared,
        "left out, for their size": left_out,
        "launches": tt.num_launches() - launches,
    }


_CALLS: dict[str, tuple[Callable[[_Case, int], _Call], bool]] = {
    "prepare_mapping": (_of_choices("local_experts"), False),
    "prepare_routing": (_of_choices("local_experts", "max_tokens"), False),
    "prepare_grouping": (_grouping_of, False),
    "permute": (_of_permute, True),
    # These two run by way of the host.
    "unpermute": (_of_unpermute, False),
    "grouped_linear": (_of_grouped_linear, False),
}

CHECKS = [
    Check(
        name,
        "The CPU's bits in every dtype and option, at the contract's shapes, at edges and at random.",
        functools.partial(_compare, name, make, rows),
    )
    for name, (make, rows) in _CALLS.items()
]
