"""Golden trajectories: what a library did, as exact values in safetensors and a sheet in JSON that ties them to a case.

``place`` names folders and files, ``sheet`` is the JSON, ``values`` the numbers, ``tie`` what a recording depends on,
``store`` puts one of them away or finds it again.
"""
