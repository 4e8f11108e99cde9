"""The command `gongche`: settings, wiring, one module per sub-command. Nothing else imports it."""
