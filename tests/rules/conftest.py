"""The cases here are for the tests beside them; run by themselves, against tf.keras, they would all be skipped."""

collect_ignore_glob = ["*.toml"]
