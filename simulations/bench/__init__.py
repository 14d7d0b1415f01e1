"""``headrace bench``: figures as ratios against a named peer, measured in one run on this machine. Imports what a run needs then."""
