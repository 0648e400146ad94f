"""How good taggers are on clips that they have not heard, whether they can be told apart, and what suits them.

    evaluation  `evaluate`: the figures of a tagger, or of a run over folds, on clips that it has not learnt from
    seeds       the same of runs with several seeds: each one's figures, mean and spread
    comparison  `compare`: paired differences of systems on the same clips
    labels      `audit`: the labels that the scores speak against
    tuning      `tune`: thresholds of tags and rules for events that suit validation clips; how they are chosen: thresholds/
    windowing   `choose`: how far apart windows lie, and how their scores are combined, that suit validation clips
    alarms      `false_alarms`: events an hour that are told of recordings without a tagger's sounds
    ensembles   `combine`: score files together, by weights that may be searched; members: the files of an ensemble
    speed       how fast a tagger is here

    heldout     which clips a tagger may be judged on, and their scores; leakage: what ties them to those it learnt from
    scoring     clips → scores, of whole clips or over time; tracks: the same for clips with known events
    figures     what a report is made of; clips, events: how its figures come from scores; protocol: how they came about

All take plain arguments, return frozen results with `as_dict` for JSON, tell `earmark.progress` how far they are, and
print nothing. Pages, pictures and tables of the results are made by `earmark.report`.
"""
