"""``python -m providers.simulated``: the market's commands, without the rest of headrace in memory."""

from providers.simulated.command import command

command()
