"""One module per sub-command; each holds a typer app named `app`."""
