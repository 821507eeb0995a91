"""Two whole training programs in, the reasons for the gap between them out: measured, with interactions and proof."""
