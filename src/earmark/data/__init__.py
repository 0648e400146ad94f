"""Which clips there are and what is known of them: manifests, data sets, splits and leaks, segments, synthesised soundscapes."""
