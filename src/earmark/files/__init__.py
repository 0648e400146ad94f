"""Files that are written whole or not at all, and what is done of a job that may be killed."""
