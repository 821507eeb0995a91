"""The search for a divergence: cases are made, judged and held to relations; what fails is shrunk to a case file."""
