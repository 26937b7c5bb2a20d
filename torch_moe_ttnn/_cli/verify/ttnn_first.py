"""ttnn opens the chip, and ``tt`` uses what ttnn has: one mesh, one allocator."""

from typing import Any

import torch

from torch_moe_ttnn import tt
from torch_moe_ttnn._cli.difference import difference
from torch_moe_ttnn._cli.verify._ttnn import HOST, import_ttnn, require_intact, require_routing, to_ttnn
from torch_moe_ttnn._cli.verify.check import Check, Details, Setting, SkippedError, message_of, require
from torch_moe_ttnn.testing import make_choices

_opened: list[Any] = []


def _device() -> Any:  # noqa: ANN401 - ttnn has no types
    import_ttnn()
    if not _opened:
        raise SkippedError("ttnn has no device open")
    return _opened[-1]


def _open(setting: Setting) -> Details:
    ttnn = import_ttnn()
    _opened.append(ttnn.open_device(device_id=0))
    require_intact(HOST.to("tt"))
    return {"architecture, as ttnn says": ttnn.get_arch_name()}


def _memory(setting: Setting) -> Details:
    device = _device()
    large = torch.arange(250_000, dtype=torch.int32)
    before, on_tt, after = to_ttnn(HOST, device), large.to("tt"), to_ttnn(HOST + 1, device)
    tt.empty_cache()
    require_routing()
    require_intact(before)
    require_intact(on_tt, large)
    require_intact(after, HOST + 1)
    del on_tt
    tt.empty_cache()
    reused = [to_ttnn(HOST + turn, device) for turn in range(20)]
    again = large.to("tt")
    for turn, tensor in enumerate(reused):
        setting.at(f"tensor {turn}")
        require_intact(tensor, HOST + turn)
    require_intact(again, large)
    require_intact(before)
    return {"tensors of both": 25}


def _operators(setting: Setting) -> Details:
    ttnn, device = import_ttnn(), _device()
    from torch_moe_ttnn.ttnn import prepare_routing

    ids, weights = make_choices(32, 4, 128, seed=setting.seed, id_dtype=torch.int64)
    place = {"layout": ttnn.ROW_MAJOR_LAYOUT, "device": device, "memory_config": ttnn.DRAM_MEMORY_CONFIG}
    outputs = prepare_routing(
        ttnn.from_torch(ids.to(torch.int32), dtype=ttnn.uint32, **place),
        ttnn.from_torch(weights, dtype=ttnn.bfloat16, **place),
        128,
    )
    for index, (output, expected) in enumerate(
        zip(outputs, torch.ops.moe.prepare_routing(ids, weights, 128), strict=True)
    ):
        actual = ttnn.to_torch(output)
        # ttnn gives its uint32 back as it likes; compare the bits.
        bits = actual.to(torch.int64).to(torch.uint32) if expected.dtype == torch.uint32 else actual
        wrong = difference(f"output {index}", bits, expected)
        require(wrong is None, str(wrong))
    return {"outputs compared": len(outputs)}


def _close(setting: Setting) -> Details:
    ttnn, device = import_ttnn(), _device()
    old = HOST.to("tt")
    tt.synchronize()
    _opened.clear()
    ttnn.close_device(device)
    told = message_of(RuntimeError, old.cpu)
    setting.at("opening again")
    _opened.append(ttnn.open_device(device_id=0))
    require_intact(HOST.to("tt"))
    require_routing()
    message_of(RuntimeError, old.cpu)
    ttnn.close_device(_opened.pop())
    return {"error of a tensor whose device was closed": told}


CHECKS = [
    Check("open", "ttnn opens the chip, and tt uses it.", _open),
    Check("memory", "Neither overwrites the other's tensors.", _memory),
    Check("operators", "prepare_routing on ttnn's tensors has the CPU's bits.", _operators),
    Check("close", "ttnn closes the chip and opens it again: old tensors are errors, new ones work.", _close),
]
