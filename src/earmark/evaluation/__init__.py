"""How good taggers are on clips that they have not heard, whether they can be told apart, and what suits them."""
