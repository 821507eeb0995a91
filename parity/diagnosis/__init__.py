"""From a subject to the cause: probes go in, trajectories come out, the family is searched, the answer is confirmed."""
