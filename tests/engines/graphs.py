"""A small tagger's file with a graph, as it is or spoilt."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import onnx
from onnx import TensorProto, helper
from tests.small import tagger

from earmark.models import export, file, graphs
from earmark.models.tagger import FORMAT


@cache
def small():
    made = tagger("cnnspec", 1.024, 0.128)
    return made, export.body(made)


def saved(path, **changes):
    """The path of a tagger's file whose graph has these changes; with the header's checksum, as one who made it would have it."""
    made, body = small()
    made.graphs = (replace(body, **{name: value for name, value in changes.items() if name != "of"}),)
    weights, head = made.stored()
    if "of" in changes:  # `stored` leaves graphs of another tagger out
        head[graphs.KEY][0]["of"] = changes["of"]
    file.write(path, weights, {"format": FORMAT, **head})
    return path


def made_up(operator="Identity", domain="", loop=False, external=False, function=False) -> bytes:
    """A graph that no export would make."""
    maps = helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["n", 1, 64, 125])
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 1, 3])
    node = helper.make_node(operator, ["maps"], ["logits"], domain=domain)
    nodes = [node]
    if loop:
        inner = helper.make_graph([helper.make_node("Identity", ["c"], ["d"])], "inner", [], [])
        nodes.append(helper.make_node("Loop", ["", "maps"], ["x"], body=inner))
    graph = helper.make_graph(nodes, "g", [maps], [out])
    if external:
        tensor = graph.initializer.add()
        tensor.name, tensor.data_type = "w", TensorProto.FLOAT
        tensor.dims.append(1)
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "/etc/passwd"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    if function:
        model.functions.append(helper.make_function("my", "f", ["a"], ["b"], [], [helper.make_opsetid("", 20)]))
    assert isinstance(model, onnx.ModelProto)
    return model.SerializeToString()
