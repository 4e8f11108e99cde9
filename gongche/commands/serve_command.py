"""`gongche serve`: the service itself."""

import asyncio
from typing import Annotated

import typer

from gongche.console import HomeOption, home_folder, say
from gongche.errors import WrongUseError
from gongche.home import open_home
from gongche.service import run_service

app = typer.Typer()


@app.command()
def serve(
    receivers_only: Annotated[bool, typer.Option("--receivers-only", help="No pages.")] = False,
    web_only: Annotated[bool, typer.Option("--web-only", help="No receivers, no sealing and auditing.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that serve pages.")] = 1,
    home: HomeOption = "",
) -> None:
    """Receive from terminals, serve the pages, seal and audit closed days; until Ctrl-C or SIGTERM.

    Example: gongche serve --workers 2
    """
    if receivers_only and web_only:
        raise WrongUseError("--receivers-only and --web-only exclude each other")
    with open_home(home_folder(home)) as gongche:
        settings = gongche.settings
        if not web_only:
            ports = [("JT/T 808", settings.jt808_port), ("NMEA", settings.nmea_port)]
            for name, port in ports:
                if port:
                    say(f"{name} on {settings.listen_host}:{port}")
            if settings.mqtt_url.get_secret_value():
                say(f"MQTT from the broker, topic {settings.mqtt_topic}")
        if not receivers_only:
            say(f"pages on http://{settings.web_host}:{settings.web_port}/")
        asyncio.run(run_service(gongche, receivers=not web_only, pages=not receivers_only, workers=workers))
        say("stopped")
