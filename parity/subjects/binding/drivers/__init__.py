"""How each shape is driven: weights go in once, gradients step by step."""
