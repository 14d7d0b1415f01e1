"""Other people's optimizers on the same problem documents, each in an environment of its own, judged by the same verifier."""
