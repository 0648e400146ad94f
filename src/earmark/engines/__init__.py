"""What tags without torch: features in NumPy, and engines that run the body of a net behind them."""
