"""Taking in nets that others trained: from their files to a tagger like any other, with licence, origin and digest.

    flatbuffer  tables and vectors of a file that nobody trusts
    tflite      TensorFlow Lite: tensors, operators, weights in float
    yamnet      one layout: is it that net, operator by operator; its weights by our names
    states      state dicts of PyTorch: tensors by name, no pickled code
    panns       four layouts of these, tensor by tensor
    mn, ced     two more families, whose tensors are those of our nets under other names
    renamed     such tensors: each found, none left, all of the net's shapes
    found       what is recognised: a net of earmark's, and its weights
    onnxbox     any ONNX file, as a box that is asked and not looked into
    labels      the names of its tags
    asked       what must be told of any
    fetching    files from their public homes, only when asked for
    adopting    all of it, where a net of earmark's own comes out

A layout is known where its operators are: nothing of a file is run, and no code can come out of it. A box is run, by an engine:
its operators are those of the standard set, none of which reads a file or goes on without end.
"""
