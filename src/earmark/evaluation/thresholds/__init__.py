"""Thresholds and median filters that suit validation clips: of the tags of clips, and of events."""
