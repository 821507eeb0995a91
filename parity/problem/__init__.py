"""A cell comes in; weights, data and gradients go out, made once, read-only, the same on every processor."""
