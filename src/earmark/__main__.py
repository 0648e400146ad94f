"""`python -m earmark`, for where the command is not on the path, or several Pythons have one."""

from earmark.cli import main

if __name__ == "__main__":
    main()
