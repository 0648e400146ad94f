"""What the verbs share: options, lines and bars on stderr, results on stdout, and the longer pieces of their work."""
