"""`python -m earmark.cli`, for where the command is not on the path."""

from earmark.cli import main

if __name__ == "__main__":
    main()
