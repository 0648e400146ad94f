"""Few clips: a tagger of one's own on what another net hears, a head on its embeddings.

store       embeddings of windows, computed once and kept by the sound's digest and the tagger's identity
background  windows drawn from unlabelled recordings, weak examples of none of the tags
lesson      windows with tags and weights: the loud ones of each clip
fitting     vectors with tags → dense layers
choosing    which kind of head, how strong, how windows make a clip: on inner folds of the training clips
run         a base and clips → a run folder with one tagger file in it
curve       how good it is after 1, 2, 4, … clips a tag
"""
