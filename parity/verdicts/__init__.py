"""What is said in the end: verdicts and the records of results; it knows nothing of how they came about."""
