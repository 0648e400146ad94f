"""How fast and how frugal earmark is, side by side with what else one might use. `make bench` runs all of it."""
