"""A case and a subject that diverge come in; one script goes out that shows it without us, in as little as it takes.

``shorten`` finds the fewest steps, tensors and elements that still show it. ``formula`` writes the page down as NumPy,
by running it on ``symbols``; ``calls``, ``inline`` and ``libraries`` write the subject down. ``text`` puts both
together, and ``proof`` runs the script by itself: what does not show the same bits there is not handed out.
"""
