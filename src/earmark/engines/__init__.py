"""Engines: what runs a net's graph where PyTorch is not, or is slower: features in NumPy, the rest in ONNX Runtime or OpenVINO.

Nothing here knows a tagger, and nothing here imports torch. `features` makes maps of waves; `graph` is what an ONNX graph may
be, and how it comes by its weights; `sessions` has a file for each engine; `processor` says what this machine computes in.
"""
