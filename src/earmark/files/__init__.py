"""Files that are written whole or not at all, free names for them, text of others, and what is done of a job that may be
killed. `remembered` is what was found out on this machine.
"""

from earmark.files.texts import check_text, read_text
from earmark.files.whole import (
    clear_up,
    free_name,
    is_of_the_name,
    left_of,
    missing_place,
    whole,
    whole_folder,
    whole_text,
    write_bytes,
    write_text,
)

__all__ = [
    "check_text", "clear_up", "free_name", "is_of_the_name", "left_of", "missing_place", "read_text", "whole", "whole_folder", "whole_text",
    "write_bytes", "write_text",
]  # fmt: skip
