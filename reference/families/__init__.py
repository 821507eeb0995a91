"""Rules with every historical choice as a switch, a page each; `switches.py` says what a choice is called and does."""
