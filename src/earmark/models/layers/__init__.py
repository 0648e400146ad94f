"""What nets are made of: blocks, residual trunks, attention over time, running statistics. No net is in here."""
