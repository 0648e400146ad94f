"""The papers' claims, and some of our own, on the recordings at hand: which hold, which do not, and which cannot be told.

    python -m claims.run [--only ID …] [--full] [--device cuda] [--data DIR] [--out runs/claims] [--jobs N]

A claim is a YAML file here (`claims.claim` says what is in it). Running it makes its data (`claims.data`), trains its
systems (`claims.trainings`; what has ended is not trained again, what was stopped goes on), compares them on the clips that
none of them has learnt from (`claims.verdict`) and writes results/claims/ID.json and ID.md (`claims.writing`). The verdict
follows from the figures by rule.
"""
