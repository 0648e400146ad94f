"""What is loaded, trained and run: features, nets, the tagger of both, ensembles of taggers, and their files."""
