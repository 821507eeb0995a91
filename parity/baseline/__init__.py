"""The regression gate: a run in, what it changes against the last accepted outcomes out; nothing here runs a case."""
