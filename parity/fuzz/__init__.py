"""The search for a divergence: Hypothesis makes cases, workers judge them, and what fails is shrunk to a case file."""
