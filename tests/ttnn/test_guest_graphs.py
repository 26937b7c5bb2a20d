"""Graphs of ``tt`` in ttnn's queue."""

import os

import pytest
from beside import needs_ttnn_and_chip, printed

pytestmark = needs_ttnn_and_chip

CAPTURE = """
from torch_moe_ttnn.ttnn import from_ttnn

def inputs(device):
    of_ttnn = ttnn.from_torch(torch.zeros(64, 16, dtype=torch.int32), dtype=ttnn.int32, layout=ttnn.ROW_MAJOR_LAYOUT,
                              device=device, memory_config=ttnn.DRAM_MEMORY_CONFIG)
    return of_ttnn, from_ttnn(of_ttnn, copy=False), torch.ones(64, 16).to("tt")

def capture(ids, weights):
    torch_moe_ttnn.prepare_mapping(ids, weights, 32)
    graph = torch.tt.Graph()
    with torch.tt.graph(graph):
        mapping = torch_moe_ttnn.prepare_mapping(ids, weights, 32)
    return graph, mapping
"""


@pytest.mark.parametrize("region", [0, 10_000_000])
def test_a_graph_keeps_the_memory_that_ttnn_lent(region):
    lines = printed(
        CAPTURE
        + f"""
device = ttnn.open_device(device_id=0, trace_region_size={region})
of_ttnn, ids, weights = inputs(device)
graph, mapping = capture(ids, weights)
ids.fill_(5)
del of_ttnn, ids
gc.collect()
others = [to_ttnn(HOST[:64, :16].contiguous() + i, device) for i in range(8)]
graph.replay()
print(mapping.cpu().nonzero()[:, 1].unique().tolist())
print(sum(wrong(other, HOST[:64, :16] + i) for i, other in enumerate(others)), route())
ttnn.close_device(device)
message = refusal(graph.replay)
print(message)
del graph
device = ttnn.open_device(device_id=0, trace_region_size={region})
of_ttnn, ids, weights = inputs(device)
graph, mapping = capture(ids, weights)
ids.fill_(7)
graph.replay()
print(mapping.cpu().nonzero()[:, 1].unique().tolist())
"""
    )
    assert lines[:2] == ["[5]", "0 True"]
    assert "was closed by ttnn" in lines[2]
    assert lines[3:] == ["[7]"]


@pytest.mark.dispatch
@pytest.mark.skipif("TT_METAL_SLOW_DISPATCH_MODE" in os.environ, reason="traces need fast dispatch")
def test_a_region_that_is_too_small():
    lines = printed(
        CAPTURE
        + """
device = ttnn.open_device(device_id=0, trace_region_size=64)
of_ttnn, ids, weights = inputs(device)
print(refusal(capture, ids, weights))
ids.fill_(3)
print(torch_moe_ttnn.prepare_mapping(ids, weights, 32).cpu().nonzero()[:, 1].unique().tolist(), route())
ttnn.close_device(device)
"""
    )
    # TT-Metalium logs it, before.
    error, *then = lines[-2:]
    assert error.startswith("cannot capture a graph on metal device 0: Creating trace buffers of size")
    assert error.endswith("or with 0: then traces take their memory from the rest of DRAM")
    assert then == ["[3] True"]
