"""A cell and a subject come in, a pair of comparisons goes out: the only step loop, in processes or over a cluster."""
