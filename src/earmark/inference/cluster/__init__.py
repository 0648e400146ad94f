"""Recordings → scores on many machines, the same as on one.

    recording ─cutting→ pieces of some minutes, decoded ─hearing→ what each window scored ─joining→ Scored, as of one machine

Pieces share no window, and have the samples that their windows need: each window is cut from the same samples, resampled from
the beginning of the recording, as if one process had read it all. What a recording's tags and events are made of these is done
in one place, in the order of the windows, by what does it everywhere else. So the results are those of one machine: to the
bit where each window is scored alone (batch 1), and where taggers share what windows have in common.

`cutting`, `hearing` and `joining` know nothing of Ray; `stages` lays them out over a cluster; `kept` keeps pieces on the
disk of who asked, until their recording is whole; `machines` is what the user says of the cluster.
"""
