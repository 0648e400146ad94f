"""Taking in nets that others trained: from their files to a tagger like any other, with licence, origin and digest.

    flatbuffer  tables and vectors of a file that nobody trusts
    tflite      TensorFlow Lite: tensors, operators, weights in float
    yamnet      one layout: is it that net, operator by operator; its weights by our names
    labels      the names of its tags
    fetching    files from their public homes, only when asked for
    adopting    all of it

A layout is known where its operators are: nothing of a file is run, and no code can come out of it.
"""
