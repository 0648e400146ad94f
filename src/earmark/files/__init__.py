"""Files that are written whole or not at all, free names for them, and what is done of a job that may be killed."""

from earmark.files.whole import clear_up, free_name, is_of_the_name, whole, whole_text, write_bytes, write_text

__all__ = ["clear_up", "free_name", "is_of_the_name", "whole", "whole_text", "write_bytes", "write_text"]
