"""From a subject to the cause: probes go in, the family is searched, the answer is confirmed and put into words."""
