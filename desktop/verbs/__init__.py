"""The terminal's short commands: each does one thing and ends. Never talks; that is `desktop.talk`."""

from desktop.verbs import carrying, journal, kept, safety, vault

# What adds commands to the command line, in the order of the help.
GROUPS = (vault.add_commands, carrying.add_commands, journal.add_commands, kept.add_commands, safety.add_commands)
