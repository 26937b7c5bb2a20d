"""``tt`` opens the chip, and ttnn would open it a second time: an error, and never two allocators."""

from torch_moe_ttnn import tt
from torch_moe_ttnn._cli.verify._ttnn import HOST, import_ttnn, require_intact, require_routing
from torch_moe_ttnn._cli.verify.check import Check, Details, Setting, message_of, require


def _refused(setting: Setting) -> Details:
    ttnn = import_ttnn()
    on_tt = HOST.to("tt")
    messages = set()
    openers = {
        "open_device": lambda: ttnn.open_device(device_id=0),
        "CreateDevice": lambda: ttnn.CreateDevice(0),
        "open_mesh_device": lambda: ttnn.open_mesh_device(ttnn.MeshShape(1, 1)),
    }
    for name, opener in openers.items():
        setting.at(f"ttnn.{name}")
        messages.add(message_of(RuntimeError, opener))
    require(len(messages) == 1, f"expected one error of all ways to open a device, got {sorted(messages)}")
    require_intact(on_tt)
    require_routing()
    tt.synchronize()
    return {"error": messages.pop()}


CHECKS = [Check("refused", "ttnn cannot open the chip after tt has, and tt goes on.", _refused)]
